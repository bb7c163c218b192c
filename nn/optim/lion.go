package optim

import "math"

// Lion rewrites each update u to the sign of a mean of it and the momentum,
//
//	c = Beta1·m + (1-Beta1)·u
//	m = Beta2·m + (1-Beta2)·u
//	u = sign(c)
//
// with m = 0 before the first step and sign(0) = 0 (Symbolic Discovery of
// Optimization Algorithms, arXiv 2302.06675, algorithm 2). The authors take
// betas (0.9, 0.99), a learning rate 3 to 10 times smaller than AdamW's, and
// decay weights as AdamW does.
type Lion struct {
	Beta1, Beta2 float64
}

// Init makes zero momenta.
func (t Lion) Init(g *Group) State {
	s := &lionState{Lion: t}
	for _, p := range g.Params {
		s.buffers = append(s.buffers, Buffer{"lion.m." + p.Name, make([]float32, len(p.Value.Floats()))})
	}
	return s
}

type lionState struct {
	Lion
	buffers []Buffer
}

func (s *lionState) Step(g *Group, _ Clock) {
	for i, p := range g.Params {
		for j, x := range s.buffers[i].Values {
			m, u := float64(x), float64(p.Update[j])
			p.Update[j] = sign(s.Beta1*m + (1-s.Beta1)*u)
			s.buffers[i].Values[j] = float32(s.Beta2*m + (1-s.Beta2)*u)
		}
	}
}

func (s *lionState) Buffers() []Buffer { return s.buffers }

// sign returns -1, 0 or 1, and NaN for NaN.
func sign(x float64) float32 {
	if x == 0 || x != x {
		return float32(x)
	}
	return float32(math.Copysign(1, x)) // no branch: which sign it is cannot be foretold
}
