package probe

// A Metric says what the values of a name are.
type Metric struct {
	Name       string // sigma_ and load_ are followed by a number from 1 on
	Definition string
	Source     string
	Unit       string
	Range      string
	Cost       string // multiplications per map and probed step, d = in + out, r the rank
}

// Metrics lists what a probe measures. ΔW is W' − W0 after the step, without
// DoRA's gain, and the mean over the tokens of the batch where experts are
// weighed by gates; A, B are the factors of these names after the step; gA and
// gB their gradients, g̃ = s·(B·gA + gB·A), and G the gradient of the full
// weight, before it. Norms without a word are Frobenius norms.
//
// Not reported: ΔW and update of whole-weight forms (full fine-tuning, HiRA)
// unless Dense is set; g̃ and what needs G where the form is not s·B·A of the
// trained factors themselves (AdaLoRA, VeRA, HiRA, full, gated maps); of a
// frozen A all but its norm; ratios of zeros.
func Metrics() []Metric {
	const (
		spectrum = "r²·d + 4·r³ (offset bases 4·r²·d; whole weights in·out·min(in, out))"
		factor   = "r²·d + r³"
		gradient = "6·r²·d + r³"
		update   = "4·r²·d + 32·r³"
		free     = "d·r"
	)
	return []Metric{
		{"sigma_", "i-th singular value of ΔW, up to the rank", "arXiv 2106.09685, section 7", "weight", "[0, ∞)", spectrum},
		{"frobenius_norm", "‖ΔW‖ = √Σσ²", "", "weight", "[0, ∞)", spectrum},
		{"spectral_norm", "σ₁ of ΔW", "", "weight", "[0, ∞)", spectrum},
		{"nuclear_norm", "Σσ of ΔW", "", "weight", "[0, ∞)", spectrum},
		{"effective_rank", "exp(−Σ p·ln p), p = σ/Σσ of ΔW; 0 for ΔW = 0", "Roy and Vetterli, EUSIPCO 2007", "rank", "0 or [1, r], offset bases [1, 2r]", spectrum},
		{"stable_rank", "‖ΔW‖²/σ₁²; 0 for ΔW = 0", "Rudelson and Vershynin, J. ACM 54(4), 2007", "rank", "0 or [1, r], offset bases [1, 2r]", spectrum},
		{"participation_ratio", "(Σσ²)²/Σσ⁴ of ΔW; 0 for ΔW = 0", "", "rank", "0 or [1, r], offset bases [1, 2r]", spectrum},
		{"energy_rank_95", "how many of the largest σ have 95 % of Σσ²; 0 for ΔW = 0", "", "rank", "0 … r, offset bases 2r", spectrum},
		{"rank_usage", "effective_rank over the map's rank", "", "1", "[0, 1], offset bases [0, 2]", spectrum},

		{"norm_a", "‖A‖", "", "weight", "[0, ∞)", free},
		{"norm_b", "‖B‖", "", "weight", "[0, ∞)", free},
		{"grad_norm_a", "‖gA‖", "", "loss/weight", "[0, ∞)", free},
		{"grad_norm_b", "‖gB‖", "", "loss/weight", "[0, ∞)", free},
		{"condition_a", "σ₁/σ_r of A; infinite below 1e-5·σ₁", "", "1", "[1, ∞]", factor},
		{"condition_b", "σ₁/σ_r of B; infinite below 1e-5·σ₁", "", "1", "[1, ∞]", factor},
		{"balance", "‖BᵀB − A·Aᵀ‖, which gradient flow leaves as it is", "arXiv 1806.00900", "weight²", "[0, ∞)", factor},

		{"update_norm", "norm of the change of ΔW in this step", "", "weight", "[0, ∞)", update},
		{"relative_update_norm", "update_norm/‖W0‖", "", "1", "[0, ∞)", update},
		{"update_effective_rank", "effective rank of the change of ΔW in this step", "", "rank", "0 or [1, 2r]", update},

		{"equivalent_gradient_norm", "‖g̃‖; a frozen A counts with gA = 0", "arXiv 2407.18242, section 2.1", "loss/weight", "[0, ∞)", gradient},
		{"captured_gradient_norm", "‖P_B·G + G·P_A − P_B·G·P_A‖: as much of G as a change of A and B can follow", "arXiv 2407.18242, theorem 2.1", "loss/weight", "[0, ‖G‖]", gradient},
		{"alignment", "<g̃, G>²/(‖g̃‖²·captured²): how near g̃ is to the best direction that rank r permits, which has 1", "arXiv 2407.18242, section 2.1", "1", "[0, 1]", gradient},
		{"update_alignment", "cosine between this step, to first order, and the descent direction that rank r permits", "arXiv 2407.18242, section 2.1", "1", "[-1, 1]", update},

		{"load_", "mean gate of expert i over the tokens of the batch", "arXiv 2101.03961, section 2.2", "1", "[0, 1], sum 1", "tokens·experts"},
	}
}
