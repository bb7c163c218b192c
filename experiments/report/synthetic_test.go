package report

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/lowrank/lowrank/experiments/record"
)

// synthetic is a made-up study: methods × learning rates × seeds, with 28
// adapters observed at ten probes. It has what real ones have: runs that
// diverged, a failed one, an optimum at the end of the grid.
func synthetic() Study {
	methods := []record.Method{
		{Name: "lora", Paper: "LoRA", ArXiv: "2106.09685", Axis: "baseline"},
		{Name: "rslora", Paper: "rsLoRA", ArXiv: "2312.03732", Axis: "rank"},
		{Name: "adalora", Paper: "AdaLoRA", ArXiv: "2303.10512", Axis: "rank"},
		{Name: "lora-xs", Paper: "LoRA-XS", ArXiv: "2405.17604", Axis: "rank"},
		{Name: "mora", Paper: "MoRA", ArXiv: "2405.12130", Axis: "rank"},
		{Name: "lora+", Paper: "LoRA+", ArXiv: "2402.12354", Axis: "dynamics"},
		{Name: "lora-pro", Paper: "LoRA-Pro", ArXiv: "2407.18242", Axis: "dynamics"},
		{Name: "dora", Paper: "DoRA", ArXiv: "2402.09353", Axis: "dynamics"},
		{Name: "riemannian", Paper: "Riemannian preconditioned LoRA", ArXiv: "2402.02347", Axis: "dynamics"},
		{Name: "pissa", Paper: "PiSSA", ArXiv: "2404.02948", Axis: "initialization"},
		{Name: "milora", Paper: "MiLoRA", ArXiv: "2406.09044", Axis: "initialization"},
		{Name: "lora-ga", Paper: "LoRA-GA", ArXiv: "2407.05000", Axis: "initialization"},
		{Name: "eva", Paper: "EVA", ArXiv: "2410.07170", Axis: "initialization"},
		{Name: "moe-lora", Paper: "MixLoRA", ArXiv: "2404.15159", Axis: "mixture of experts"},
		{Name: "goat", Paper: "GOAT", ArXiv: "2502.16894", Axis: "mixture of experts"},
	}
	start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	s := Study{
		Title:   "Fifteen ways to adapt a small byte-level model",
		Command: "lowrank study --seeds 2",
		Facts: []Fact{{"Base model", "llama, 4 layers, width 128, 1.1 million parameters, bytes"},
			{"Base text", "Pride and Prejudice, 700 kB"}, {"New text", "The Origin of Species, 950 kB"}, {"Tokens", "300 steps of 16 × 128 bytes a run"}},
	}
	lrs := []float64{1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2}
	for i, m := range methods {
		m.Parts = record.Parts{Delta: "lora", Init: "lora", Update: "adamw", Rank: "fixed", Router: "none"}
		rng := rand.New(rand.NewPCG(7, uint64(i)))
		best := 1.62 + 0.05*rng.Float64() + 0.02*float64(i%3)
		centre := -3.4 + 1.6*rng.Float64()
		if m.Name == "lora-xs" {
			centre = -1.2
		}
		for _, lr := range lrs {
			for seed := range uint64(2) {
				x := math.Log10(lr) - centre
				loss := best + 0.07*x*x*(1+0.5*rng.Float64()*0.2) + 0.004*rng.NormFloat64()
				if x > 0 {
					loss += 0.08 * x * x * x
				}
				r := &record.Run{ID: fmt.Sprintf("%s_lr%g_seed%d", m.Name, lr, seed+1), Status: record.Done, Method: m, LR: lr, Seed: seed + 1,
					Rank: 8, Alpha: 16, Config: json.RawMessage(`{}`), Versions: map[string]string{"go": "go1.26.8", "lowrank": "v0.1.0"},
					Machine: record.Machine{CPU: "Example CPU 9000", Cores: 8, OS: "linux", Arch: "amd64", SIMD: "avx512", MemoryBytes: 32 << 30},
					Started: start, Ended: start.Add(37 * time.Second)}
				start = start.Add(40 * time.Second)
				r.Train = record.Train{Steps: 300, Seconds: 36, StepMS: 95 + 30*rng.Float64(), TokensPerSecond: 17000 + 3000*rng.Float64(),
					TrainedParameters: 100352 + int64(i)*1024, TotalParameters: 1100000, Adapters: 28}
				r.Eval = record.Eval{"adapt_before": 2.31, "adapt_after": loss, "base_before": 1.48, "base_after": 1.48 + 0.25*math.Exp(x/2) + 0.05*rng.Float64()}
				if loss > 2.25 || x > 1.75 {
					r.Status, r.DivergedAt, r.Eval = record.Diverged, 20+int(seed)*13, record.Eval{"adapt_before": 2.31}
				}
				if m.Name == "eva" && lr == 1e-4 && seed == 1 {
					r.Status, r.Error, r.Eval = record.Failed, "eva: calibration batch 3: no token", nil
				}
				s.Runs = append(s.Runs, r)
			}
		}
	}
	s.Metrics = syntheticMetrics
	return s
}

func syntheticMetrics(r *record.Run) ([]record.Metric, error) {
	rng := rand.New(rand.NewPCG(r.Seed, uint64(len(r.ID))+uint64(r.ID[0])*31))
	var out []record.Metric
	add := func(step int, layer, name string, v float64) {
		out = append(out, record.Metric{Step: step, Layer: layer, Name: name, Value: v})
	}
	after := r.Eval["adapt_after"]
	for step := 1; step <= 300; step++ {
		add(step, "", "train_loss", after+0.6*math.Exp(-float64(step)/40)+0.06*rng.NormFloat64())
		add(step, "", "lr", r.LR)
	}
	for probe := range 10 {
		step := (probe + 1) * 30
		part := 1 - math.Exp(-float64(step)/90)
		add(step, "", "eval_adapt_loss", after+0.6*math.Exp(-float64(step)/40))
		add(step, "", "eval_base_loss", 1.48+0.2*part)
		if r.Method.Axis == "rank" {
			add(step, "", "total_rank", 28*8-float64(step/5))
		}
		for l := range 4 {
			for k, kind := range []string{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"} {
				layer := fmt.Sprintf("model.layers.%d.%s", l, kind)
				effective := 2 + 4*part + 0.3*float64(k) + 0.2*rng.NormFloat64()
				add(step, layer, "effective_rank", effective)
				add(step, layer, "rank_usage", effective/8)
				add(step, layer, "stable_rank", effective/2)
				add(step, layer, "frobenius_norm", part*(1+0.1*float64(l)))
				add(step, layer, "update_norm", 0.02*math.Exp(-3*part))
				add(step, layer, "relative_update_norm", 0.002*math.Exp(-3*part+0.3*rng.NormFloat64()))
				add(step, layer, "alignment", 0.2+0.1*float64(k)*part+0.02*rng.NormFloat64())
				for i := range 8 {
					add(step, layer, fmt.Sprintf("sigma_%d", i+1), part*math.Exp(-0.5*float64(i)))
				}
				if r.Method.Axis == "rank" {
					add(step, layer, "rank", float64(8-probe*k/10))
				}
				if probe%5 == 4 { // a checkpoint
					turned := part * (0.02 + 0.01*rng.Float64())
					add(step, layer, "direction_change", turned)
					add(step, layer, "magnitude_change", 0.5*turned+0.001*rng.Float64())
					add(step, layer, "angle_start_a", 1.5*part)
					add(step, layer, "overlap_top_left", 0.1+0.05*part)
					add(step, layer, "intruders", float64(k%3))
				}
				if r.Method.Axis == "mixture of experts" {
					for e := range 4 {
						add(step, layer, fmt.Sprintf("load_%d", e+1), 0.25+0.05*float64(e-1)*part+0.01*rng.NormFloat64())
					}
				}
			}
		}
	}
	return out, nil
}
