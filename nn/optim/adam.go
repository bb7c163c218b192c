package optim

import (
	"math"

	"github.com/lowrank/lowrank/kernels"
)

// Adam rewrites each update u to m̂ / (√v̂ + Eps), with
//
//	m = Beta1·m + (1-Beta1)·u     m̂ = m / (1-Beta1ᵗ)
//	v = Beta2·v + (1-Beta2)·u²    v̂ = v / (1-Beta2ᵗ)
//
// at step t (arXiv 1412.6980, algorithm 1).
type Adam struct {
	Beta1, Beta2, Eps float64
}

// AdamW is Adam with decoupled weight decay (arXiv 1711.05101), at PyTorch's
// default betas (0.9, 0.999) and eps 1e-8.
func AdamW(decay float64) Chain {
	return Chain{Adam{0.9, 0.999, 1e-8}, Decay{decay}}
}

// Init makes zero moments.
func (a Adam) Init(g *Group) State {
	s := &adamState{Adam: a}
	for _, p := range g.Params {
		n := len(p.Value.Floats())
		s.moments = append(s.moments, moments{p.Name, make([]float32, n), make([]float32, n)})
	}
	return s
}

type adamState struct {
	Adam
	moments []moments
	scratch [2048]float32
}

type moments struct {
	name string
	m, v []float32
}

func (s *adamState) Step(g *Group, c Clock) {
	c1 := 1 - math.Pow(s.Beta1, float64(c.Step))
	c2 := 1 - math.Pow(s.Beta2, float64(c.Step))
	for i, p := range g.Params {
		u, m, v := p.Update, s.moments[i].m, s.moments[i].v
		for len(u) > 0 {
			// The kernel subtracts lr times what we want from a weight; with a
			// zero weight and lr -1 that is what we want.
			n := min(len(u), len(s.scratch))
			w := s.scratch[:n]
			clear(w)
			kernels.AdamW(w, u[:n], m[:n], v[:n], -1, s.Beta1, s.Beta2, s.Eps, 0, c1, c2)
			copy(u, w)
			u, m, v = u[n:], m[n:], v[n:]
		}
	}
}

func (s *adamState) prune(keep float64) {
	for _, b := range s.moments {
		least := threshold(b.m, keep)
		for i, m := range b.m {
			if !(max(m, -m) >= least) {
				b.m[i], b.v[i] = 0, 0
			}
		}
	}
}

func (s *adamState) Buffers() []Buffer {
	var all []Buffer
	for _, b := range s.moments {
		all = append(all, Buffer{"adam.m." + b.name, b.m}, Buffer{"adam.v." + b.name, b.v})
	}
	return all
}
