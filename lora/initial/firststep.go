package initial

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
)

// FirstStep starts with the first step that AdamW would take on the full weight,
// in its best approximation of rank r: LoRA-SB (arXiv 2411.19557, algorithm 1).
// With the mean gradient G over the calibration batches,
//
//	−η·sign(G) = U·S·Vᵀ    B = U_r    R = diag(S_r)/s    A = V_rᵀ
//
// so that s·B·R·A is the step at its size, whatever s is (the authors' is 1).
// With orthonormal A and B a gradient step on R moves the weight along the
// projection s²·P_B·G·P_A. The base stays W0: the function is one small step on.
// Step is η, by default the learning rate of the authors' arithmetic runs. A first
// step under a warm-up is a smaller one: with Warmup η is Step over that many steps,
// as the authors have it, who divide by warmup_ratio·total_steps (to 3e-7).
//
// Factory takes LoRAFactory's formula, U·S·Vᵀ of +G at its own size and without
// the 1/s: an ascent, unless Offset takes it out of the base.
type FirstStep struct {
	Step       float64
	Warmup     int // steps of the warm-up; 0: none
	Iterations int
	Factory    bool
	Offset     bool
}

func (f FirstStep) Needs() []adapter.Capability {
	needs := []adapter.Capability{adapter.Pair, adapter.DiagonalCore, adapter.Static, adapter.FullGradient}
	if f.Offset {
		needs = append(needs, adapter.Additive)
	}
	return needs
}

func (f FirstStep) Provides() []adapter.Capability {
	return append(movedUnless(f.Offset), adapter.Filled)
}

// Check refuses a step that is none.
func (f FirstStep) Check() error {
	if !(f.Step > 0 && f.Step <= 1e6) {
		return fmt.Errorf("initial: step is %v: must be above 0, at most 1e6", f.Step)
	}
	if f.Warmup < 0 || f.Warmup > 1e9 {
		return fmt.Errorf("initial: warmup is %d: must be in 0..1e9", f.Warmup)
	}
	if f.Warmup > 0 && f.Factory {
		return fmt.Errorf("initial: warmup and factory are both set: LoRAFactory's start has the size of the gradient")
	}
	return checkIterations(f.Iterations)
}

// Fits refuses a rank that the weight cannot have.
func (FirstStep) Fits(m *adapter.Map) error { return within(m, m.Rank, "rank") }

func (f FirstStep) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		if err := f.Fits(m); err != nil {
			return err
		}
		g, err := gradient(m, in)
		if err != nil {
			return err
		}
		by := 1.0
		if !f.Factory {
			g, by = f.signs(g), float64(m.Scaling)
		}
		t, err := triplets(g, m.Out, m.In, m.Rank, f.Iterations, stream(in, m, "SVD"))
		if err != nil {
			return fmt.Errorf("initial: %s: the gradient: %w", m.Name, err)
		}
		if t.S[0] == 0 {
			return fmt.Errorf("initial: %s: the gradient is zero: there is no step to start with", m.Name)
		}
		one := func(int) float64 { return 1 }
		t.fill(m, 0, one, one)
		d := over(t.S[:m.Rank], by)
		if f.Offset {
			err = offsetCore(m, d)
		} else {
			setCore(m, d)
		}
		if err != nil {
			return fmt.Errorf("initial: %s: the gradient: %w", m.Name, err)
		}
	}
	return nil
}

// signs returns −η·sign(g).
func (f FirstStep) signs(g []float32) []float32 {
	step, eta := make([]float32, len(g)), float32(f.Step/float64(max(f.Warmup, 1)))
	for i, v := range g {
		switch {
		case v > 0:
			step[i] = -eta
		case v < 0:
			step[i] = eta
		case v != 0: // NaN stays one, for the decomposition to refuse
			step[i] = v
		}
	}
	return step
}
