package optim

import "github.com/lowrank/lowrank/kernels"

// Momentum rewrites each update u to b = Mu·b + u with b = 0 before the first
// step, or with Nesterov to u + Mu·b: SGD as PyTorch has it, without
// dampening.
type Momentum struct {
	Mu       float64
	Nesterov bool
}

// Init makes zero buffers.
func (t Momentum) Init(g *Group) State {
	s := &momentumState{Momentum: t}
	for _, p := range g.Params {
		s.buffers = append(s.buffers, Buffer{"momentum." + p.Name, make([]float32, len(p.Value.Floats()))})
	}
	return s
}

type momentumState struct {
	Momentum
	buffers []Buffer
}

func (s *momentumState) Step(g *Group, _ Clock) {
	mu := float32(s.Mu)
	for i, p := range g.Params {
		b := s.buffers[i].Values
		kernels.Scale(mu, b)
		kernels.Axpy(1, p.Update, b)
		if s.Nesterov {
			kernels.Axpy(mu, b, p.Update)
		} else {
			copy(p.Update, b)
		}
	}
}

func (s *momentumState) Buffers() []Buffer { return s.buffers }
