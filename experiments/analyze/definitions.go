package analyze

import (
	"slices"
	"strings"

	"github.com/lowrank/lowrank/lora/probe"
)

// Metrics defines every metric of an analysis: those of the instruments' table
// that need no training, in its words, and those that only an analysis has. A
// name that ends in "_" is followed by a number from 1 on.
func Metrics() []probe.Metric {
	var list []probe.Metric
	for _, m := range probe.Metrics() {
		if slices.Contains(shared, strings.TrimRight(m.Name, "_")) {
			list = append(list, m)
		}
	}
	return append(list, own...)
}

// shared are the metrics of the instruments' table that an analysis has too.
var shared = strings.Fields(`sigma frobenius_norm spectral_norm nuclear_norm effective_rank stable_rank participation_ratio numerical_rank percent_rank
	energy_rank_90 energy_rank_95 energy_rank_99 rank_usage energy_usage norm_a norm_b condition_a condition_b balance
	overlap_top_left overlap_top_right overlap_top4_left overlap_top4_right overlap_bottom_left overlap_bottom_right amplification
	intruders intruders_not intruders_undecided intruder_energy magnitude_change direction_change`)

const (
	overlapRange = "[0, 1]; k/in or k/out for random directions, k the larger dimension"
	lora72       = "arXiv 2106.09685, section 7.2"
	intruder     = "arXiv 2410.21228, section 3"
)

var own = []probe.Metric{
	{Name: "relative_norm", Definition: "‖ΔW‖/‖W0‖", Unit: "1", Range: "[0, ∞)"},
	{Name: "intruder_cosine_", Definition: "the largest cosine of the i-th left singular vector of W' with one of W0's, where all of these are known", Source: intruder, Unit: "1", Range: "[0, 1]"},

	{Name: "cosine", Definition: "<ΔW, ΔW'>/(‖ΔW‖·‖ΔW'‖) of two adapters", Unit: "1", Range: "[-1, 1]"},
	{Name: "interference", Definition: "‖P_U'·ΔW·P_V'‖/‖ΔW‖: how much of ΔW reads what the other adapter reads and writes where it writes", Unit: "1", Range: "[0, 1]"},
	{Name: "overlap_left", Definition: "‖PᵀQ‖²/k of the first r left singular vectors of two adapters", Source: lora72, Unit: "1", Range: overlapRange},
	{Name: "overlap_right", Definition: "the same of the right singular vectors", Source: lora72, Unit: "1", Range: overlapRange},
	{Name: "grassmann_left", Definition: "‖θ‖ of the principal angles between the first r left singular vectors of two adapters", Source: "Björck and Golub, Math. Comp. 27, 1973", Unit: "radian", Range: "[0, π/2·√r]"},
	{Name: "grassmann_right", Definition: "the same of the right singular vectors", Source: "Björck and Golub, Math. Comp. 27, 1973", Unit: "radian", Range: "[0, π/2·√r]"},
	{Name: "angle_left_", Definition: "i-th principal angle between the first r left singular vectors of two adapters, from the smallest", Source: "Björck and Golub, Math. Comp. 27, 1973", Unit: "radian", Range: "[0, π/2]"},
	{Name: "angle_right_", Definition: "the same of the right singular vectors", Source: "Björck and Golub, Math. Comp. 27, 1973", Unit: "radian", Range: "[0, π/2]"},

	{Name: "checkpoint_step", Definition: "‖ΔW − ΔW of the checkpoint before‖", Unit: "weight", Range: "[0, ∞)"},
	{Name: "checkpoint_path", Definition: "Σ of checkpoint_step so far", Unit: "weight", Range: "[0, ∞)"},
	{Name: "checkpoint_displacement", Definition: "‖ΔW − ΔW of the first checkpoint‖", Unit: "weight", Range: "[0, checkpoint_path]"},
	{Name: "checkpoint_efficiency", Definition: "checkpoint_displacement/checkpoint_path", Unit: "1", Range: "[0, 1]"},
	{Name: "checkpoint_cosine", Definition: "cosine between the step to this checkpoint and the one before it", Unit: "1", Range: "[-1, 1]"},
}
