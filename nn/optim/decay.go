package optim

import "github.com/lowrank/lowrank/kernels"

// Decay adds Weight times the value to each update. After Adam it is the
// decoupled decay of AdamW (arXiv 1711.05101); before it, L2 regularisation.
type Decay struct {
	Weight float64
}

// Init returns a state without memory.
func (d Decay) Init(*Group) State {
	return stateless(func(g *Group, _ Clock) {
		if d.Weight == 0 {
			return
		}
		for _, p := range g.Params {
			kernels.Axpy(float32(d.Weight), p.Value.Floats(), p.Update)
		}
	})
}

// DecayAfter is Decay of the weight as it is after the step,
//
//	u + Weight·(w - lr·u)
//
// which is how transformers' AdamW and PEFT's LoRA-FA decay; PyTorch's AdamW
// takes the weight before it.
type DecayAfter struct {
	Weight float64
}

// Init returns a state without memory.
func (d DecayAfter) Init(*Group) State {
	return stateless(func(g *Group, c Clock) {
		if d.Weight == 0 {
			return
		}
		for _, p := range g.Params {
			kernels.Scale(float32(1-d.Weight*c.LR), p.Update)
			kernels.Axpy(float32(d.Weight), p.Value.Floats(), p.Update)
		}
	})
}
