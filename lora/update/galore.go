package update

import (
	"fmt"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/internal/gram"
	"github.com/lowrank/lowrank/nn/optim"
)

// GaLore trains full weights with moments in a space of rank Rank (GaLore:
// Memory-Efficient LLM Training by Gradient Low-Rank Projection, arXiv
// 2403.03507, algorithm 2): every Every steps P becomes the first singular
// vectors of the gradient on its short side, and the weight moves by
//
//	Scale·P·Adam(Pᵀ·G)
//
// or transposed where the weight is higher than wide. The moments are not
// carried over to a new P. The paper takes Every 200 and Scale 0.25, eps 1e-8;
// the authors' code has eps 1e-6 ahead of the bias correction.
//
// It acts on every matrix both of whose sides are above Rank, and the rest goes
// by AdamW: with the delta of full fine-tuning it is GaLore, on factors of no
// higher rank it is AdamW.
type GaLore struct {
	Rank  int
	Every int
	Scale float64
}

func (GaLore) Needs() []adapter.Capability    { return nil }
func (GaLore) Provides() []adapter.Capability { return nil }
func (GaLore) Freezes() []string              { return nil }

func (u GaLore) Transform(weightDecay float64) optim.Transform {
	return optim.Chain{galore{u, optim.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}}, optim.Decay{Weight: weightDecay}}
}

// Check refuses numbers that make no projection.
func (u GaLore) Check() error {
	switch {
	case u.Rank < 1:
		return fmt.Errorf("update: GaLore: rank is %d: must be at least 1", u.Rank)
	case u.Every < 1:
		return fmt.Errorf("update: GaLore: every is %d: must be at least 1 step", u.Every)
	case !(u.Scale > 0 && u.Scale <= 1e6):
		return fmt.Errorf("update: GaLore: scale is %v: must be above 0 and at most 1e6", u.Scale)
	}
	return nil
}

// galore is the transform without decay.
type galore struct {
	GaLore
	optim.Adam
}

func (t galore) Init(g *optim.Group) optim.State {
	s := &galoreState{small: &optim.Group{Name: g.Name, Scaling: g.Scaling}}
	for _, p := range g.Params {
		if min(p.Value.Rows(), p.Value.Cols()) > t.Rank {
			s.matrices = append(s.matrices, newProjected(t, p))
		} else {
			s.small.Params = append(s.small.Params, p)
		}
	}
	s.others = t.Adam.Init(s.small)
	return s
}

type galoreState struct {
	matrices []*projected
	small    *optim.Group
	others   optim.State
}

func (s *galoreState) Step(_ *optim.Group, c optim.Clock) {
	for _, m := range s.matrices {
		m.step(c)
	}
	s.others.Step(s.small, c)
}

func (s *galoreState) Buffers() []optim.Buffer {
	var all []optim.Buffer
	for _, m := range s.matrices {
		all = append(all, optim.Buffer{Name: "galore.p." + m.p.Name, Values: m.basis})
		all = append(all, m.adam.Buffers()...)
	}
	return append(all, s.others.Buffers()...)
}

// projected is one matrix whose moments live in a projection, n by its long
// side.
type projected struct {
	galore
	p       *optim.Param
	n, long int
	turned  []float32    // n×long, of a matrix that is higher than wide
	basis   []float32    // Pᵀ, Rank×n
	low     *optim.Group // of one parameter: Pᵀ·G, Rank×long
	adam    optim.State
	eigen   gram.Eigen
	square  []float64 // n×n
}

func newProjected(t galore, p *optim.Param) *projected {
	rows, cols := p.Value.Rows(), p.Value.Cols()
	m := &projected{galore: t, p: p, n: min(rows, cols), long: max(rows, cols)}
	if rows > cols {
		m.turned = make([]float32, rows*cols)
	}
	m.basis, m.square = make([]float32, t.Rank*m.n), make([]float64, m.n*m.n)
	m.low = &optim.Group{Params: []*optim.Param{{
		Name: p.Name, Value: ag.NewVariable(t.Rank, m.long, nil), Update: make([]float32, t.Rank*m.long),
	}}}
	m.adam = t.Adam.Init(m.low)
	return m
}

func (m *projected) step(c optim.Clock) {
	g := m.p.Update
	if m.turned != nil {
		gram.Transpose(m.turned, m.p.Update, m.long, m.n)
		g = m.turned
	}
	if (c.Step-1)%m.Every == 0 {
		m.choose(g)
	}
	low := m.low.Params[0].Update
	kernels.MatMul(kernels.NN, false, m.Rank, m.long, m.n, m.basis, m.n, g, m.long, low, m.long)
	m.adam.Step(m.low, c)
	kernels.Scale(float32(m.Scale), low)
	kernels.MatMul(kernels.TN, false, m.n, m.long, m.Rank, m.basis, m.n, low, m.long, g, m.long)
	if m.turned != nil {
		gram.Transpose(m.p.Update, m.turned, m.n, m.long)
	}
}

// choose takes the singular vectors of g, n×long, of the largest values.
func (m *projected) choose(g []float32) {
	gram.Gram(m.square, gram.Rows{N: m.n, Dim: m.long, Data: g})
	m.eigen.Of(m.n, m.square)
	for k := range m.Rank {
		for i := range m.n {
			m.basis[k*m.n+i] = float32(m.eigen.U[i*m.n+m.n-1-k])
		}
	}
}
