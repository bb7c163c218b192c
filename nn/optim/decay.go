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
