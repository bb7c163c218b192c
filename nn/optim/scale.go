package optim

import "github.com/lowrank/lowrank/kernels"

// ScaleRole multiplies the updates of the parameters with a role: ScaleRole
// {"B", λ} at the end of a chain is the learning-rate ratio of LoRA+ (arXiv
// 2402.12354).
type ScaleRole struct {
	Role   string
	Factor float64
}

// Init returns a state without memory.
func (t ScaleRole) Init(*Group) State {
	return stateless(func(g *Group, _ Clock) {
		for _, p := range g.Params {
			if p.Role == t.Role {
				kernels.Scale(float32(t.Factor), p.Update)
			}
		}
	})
}
