package initial

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// FineTuned starts with what a few steps of full fine-tuning change, in its best
// approximation of rank r: LoRAFactory's algorithm of the name LoRA-DA, which has
// nothing of that paper's ([DataAware]). Calibration takes a step of AdaLomo
// ([optim.AdaLomo]) at the learning rate LR with each of its batches; then the base is
// W0 again, and of the change ΔW = U·S·Vᵀ
//
//	B = U_r·(S_r/s)^½    A = (S_r/s)^½·V_rᵀ
//
// so that s·B·A = ΔW_r: the function is that of the warm-up, as near as rank r comes.
//
// LoRAFactory leaves out the 1/s, so that its start is s times the change: Factory
// takes it so. Its AdaLomo applies the gradient of one weight a step late or never, and
// multiplies the learning rate by the number of processes; neither is repeated. LR is
// its default, under its name adalomo_lr; the one that the start asks for is undefined.
type FineTuned struct {
	LR      float64
	Factory bool
}

func (FineTuned) Needs() []adapter.Capability {
	return append(neededToMove(false), adapter.Static, adapter.FullGradient)
}

func (FineTuned) Provides() []adapter.Capability {
	return []adapter.Capability{adapter.Moved, adapter.Filled}
}

// WarmUp is AdaLomo at LR.
func (f FineTuned) WarmUp() (rule optim.Transform, lr float64) { return optim.AdaLomo{}, f.LR }

// Check refuses a learning rate that is none.
func (f FineTuned) Check() error {
	if !(f.LR > 0 && f.LR <= 1e6) {
		return fmt.Errorf("initial: lr is %v: must be above 0, at most 1e6", f.LR)
	}
	return nil
}

// Fits refuses a rank that the weight cannot have.
func (FineTuned) Fits(m *adapter.Map) error { return within(m, m.Rank, "rank") }

func (f FineTuned) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		if err := f.Fits(m); err != nil {
			return err
		}
		t, err := gradientOf(m, in, m.Rank, 0) // what the weight has lost: −ΔW
		if err != nil {
			return err
		}
		if t.S[0] == 0 {
			return fmt.Errorf("initial: %s: the warm-up has changed nothing: there is no step to start with", m.Name)
		}
		by := float64(m.Scaling)
		if f.Factory {
			by = 1
		}
		t.balance(m, 0, by)
		b := m.Factor("B").Floats()
		for i := range b {
			b[i] = -b[i]
		}
	}
	return nil
}
