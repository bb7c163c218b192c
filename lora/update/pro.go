package update

import (
	"fmt"
	"math"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// LoRAPro moves A and B such that the change of the weight, not of the
// factors, is what the optimizer of the full weight would want, as far as rank
// r permits (arXiv 2407.18242). Groups without A and B, and other factors, go
// by AdamW, or by plain descent in the Gradient form.
//
// LoRAFactory's LoRA-Pro is FactoredAdam with three slips. It takes s to be 2,
// which AdamW divides out again but for its eps; all B share one count of steps,
// which grows by the number of maps in a step, so that the bias of their moments
// is corrected by too little ([factoryAdam]): Factory repeats these two. And its
// symmetric X multiplies by A·Aᵀ where it should divide. The authors' code is FullAdam with
// s = 2 whatever the model has, so that its learning rates are s/2 of ours.
type LoRAPro struct {
	Form Form
	X    Selection
	// Factory has FactoredAdam give LoRAFactory's numbers.
	Factory bool
}

// A Form says where Adam stands in LoRA-Pro.
type Form int

const (
	// FullAdam is the paper's algorithm 2 with "full adjustment": Adam runs on
	// the equivalent gradient g̃, with moments of the size of the weight, and
	// its outcome is pulled back to the factors and projected again. It keeps
	// 2·out·in values per map.
	FullAdam Form = iota
	// FactoredAdam projects the factors' gradients and runs AdamW on the
	// directions that come out: no more memory than AdamW, but what Adam makes
	// of them is no projection any more.
	FactoredAdam
	// Gradient is the paper's form for gradient descent, without Adam. Its
	// change of the weight does not depend on how the product B·A is split.
	Gradient
)

func (LoRAPro) Needs() []adapter.Capability {
	return []adapter.Capability{adapter.TrainedPair, adapter.Product, adapter.Static}
}
func (LoRAPro) Provides() []adapter.Capability { return nil }
func (LoRAPro) Freezes() []string              { return nil }

// Check refuses a form or a split that there is none of.
func (u LoRAPro) Check() error {
	if u.X < Closest || u.X > Symmetric {
		return fmt.Errorf("update: LoRAPro: x is %d: must be 0 (closest), 1 (zero) or 2 (symmetric)", u.X)
	}
	if u.Form < FullAdam || u.Form > Gradient {
		return fmt.Errorf("update: LoRAPro: form is %d: must be 0 (full Adam), 1 (factored Adam) or 2 (gradient)", u.Form)
	}
	if u.Factory && (u.Form != FactoredAdam || u.X == Symmetric) {
		return fmt.Errorf("update: LoRAPro: factory needs form 1 (factored Adam) and x 0 or 1, which is what LoRAFactory has")
	}
	return nil
}

func (u LoRAPro) Transform(weightDecay float64) optim.Transform {
	switch u.Form {
	case Gradient:
		return optim.Chain{project{x: u.X}, optim.Decay{Weight: weightDecay}}
	case FactoredAdam:
		if u.Factory {
			return optim.Chain{project{u.X, 2}, factoryAdam{adam8, new(int)}, optim.Decay{Weight: weightDecay}}
		}
		return append(optim.Chain{project{x: u.X}}, optim.AdamW(weightDecay)...)
	}
	return optim.Chain{fullAdam{adam8, u.X}, optim.Decay{Weight: weightDecay}}
}

// adam8 is Adam at PyTorch's defaults.
var adam8 = optim.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}

// pair returns the parameters A and B of a group, and their tangent at the
// scaling s; nil where it has not both.
func pair(g *optim.Group, s float32) (a, b *optim.Param, t *tangent) {
	a, b = g.Role("A"), g.Role("B")
	if a == nil || b == nil {
		return nil, nil, nil
	}
	return a, b, newTangent(s, a.Value.Rows(), a.Value.Cols(), b.Value.Rows())
}

// project replaces gradients by directions whose change of the weight is the
// projection of the full gradient.
type project struct {
	x Selection
	s float32 // the scaling that is taken instead of the group's; 0: the group's
}

func (p project) Init(g *optim.Group) optim.State {
	s := p.s
	if s == 0 {
		s = g.Scaling
	}
	a, b, t := pair(g, s)
	return &projectState{p, a, b, t}
}

type projectState struct {
	project
	a, b    *optim.Param
	tangent *tangent
}

func (s *projectState) Step(*optim.Group, optim.Clock) {
	if s.tangent != nil {
		s.tangent.at(s.a.Value.Floats(), s.b.Value.Floats())
		s.tangent.solve(s.a.Update, s.b.Update, s.x)
	}
}

func (s *projectState) Buffers() []optim.Buffer { return nil }

// fullAdam is Adam on the equivalent gradient.
type fullAdam struct {
	optim.Adam
	x Selection
}

func (t fullAdam) Init(g *optim.Group) optim.State {
	s := &fullAdamState{fullAdam: t}
	s.a, s.b, s.tangent = pair(g, g.Scaling)
	if s.tangent == nil {
		return t.Adam.Init(g)
	}
	s.rest = g.Without("A", "B")
	s.others = t.Adam.Init(s.rest)
	n := s.tangent.out * s.tangent.in
	s.m, s.v = make([]float32, n), make([]float32, n)
	rows := min(blockRows, s.tangent.out)
	s.g, s.ghat = make([]float32, rows*s.tangent.in), make([]float32, rows*s.tangent.in)
	s.ga = make([]float32, len(s.a.Update))
	s.left, s.right = make([]float32, rows*2*s.tangent.r), make([]float32, 2*s.tangent.r*s.tangent.in)
	return s
}

type fullAdamState struct {
	fullAdam
	a, b    *optim.Param
	tangent *tangent
	m, v    []float32 // out×in: moments of g̃
	g, ghat []float32 // blockRows×in: rows of g̃ and of m̂/(√v̂+eps)
	ga      []float32 // r×in
	left    []float32 // blockRows×2r: rows of [B, b]
	right   []float32 // 2r×in: s·[a; A]
	rest    *optim.Group
	others  optim.State
}

// blockRows is how many rows of the weight are at work at a time: few enough for
// the second-level cache, enough for a kernel to share among threads.
const blockRows = 128

func (s *fullAdamState) Step(_ *optim.Group, c optim.Clock) {
	t := s.tangent
	av, bv := s.a.Value.Floats(), s.b.Value.Floats()
	t.at(av, bv)
	t.solve(s.a.Update, s.b.Update, Zero) // g̃ is the same for every X

	scaling := float32(t.s)
	copy(s.right, s.a.Update)
	copy(s.right[len(s.a.Update):], av)
	kernels.Scale(scaling, s.right)
	c1, c2 := 1-math.Pow(s.Beta1, float64(c.Step)), 1-math.Pow(s.Beta2, float64(c.Step))
	for i := 0; i < t.out; i += blockRows {
		rows := min(blockRows, t.out-i)
		block := func(x []float32, cols int) []float32 { return x[i*cols : (i+rows)*cols] }
		b, db := block(bv, t.r), block(s.b.Update, t.r)
		g, ghat := s.g[:rows*t.in], s.ghat[:rows*t.in]

		// g̃ = s·(B·a + b·A) = [B, b]·s·[a; A]
		for k := range rows {
			copy(s.left[2*k*t.r:], b[k*t.r:(k+1)*t.r])
			copy(s.left[(2*k+1)*t.r:], db[k*t.r:(k+1)*t.r])
		}
		kernels.MatMul(kernels.NN, false, rows, t.in, 2*t.r, s.left, 2*t.r, s.right, t.in, g, t.in)

		// The kernel subtracts lr·m̂/(√v̂+eps) from a weight: here from 0, with lr -1.
		clear(ghat)
		kernels.AdamW(ghat, g, block(s.m, t.in), block(s.v, t.in), -1, s.Beta1, s.Beta2, s.Eps, 0, c1, c2)

		// back to gradients of the factors: gA = s·Bᵀ·ĝ, gB = s·ĝ·Aᵀ
		kernels.MatMul(kernels.TN, i > 0, t.r, t.in, rows, b, t.r, ghat, t.in, s.ga, t.in)
		kernels.MatMul(kernels.NT, false, rows, t.r, t.in, ghat, t.in, av, t.in, db, t.r)
	}
	copy(s.a.Update, s.ga)
	kernels.Scale(scaling, s.a.Update)
	kernels.Scale(scaling, s.b.Update)
	t.solve(s.a.Update, s.b.Update, s.x)
	s.others.Step(s.rest, c)
}

func (s *fullAdamState) Buffers() []optim.Buffer {
	return append([]optim.Buffer{
		{Name: "adam.m." + s.b.Name + "*A", Values: s.m},
		{Name: "adam.v." + s.b.Name + "*A", Values: s.v},
	}, s.others.Buffers()...)
}
