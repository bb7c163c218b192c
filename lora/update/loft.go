package update

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/internal/gram"
	"github.com/lowrank/lowrank/nn/optim"
)

// LoFT moves one factor at a time as AdamW of the full weight would, as far as
// the other factor permits (LoFT: Low-Rank Adaptation That Behaves Like Full
// Fine-Tuning, arXiv 2505.21289): see [calibrated]. B moves in the first step
// and every other, A in between. Where the factors have full rank it is AdamW
// of the weight.
//
// It keeps (in + out)·r² values besides AdamW's, and a step takes about
// 2·in·out·r² operations on one processor. The authors' code agrees but for four things: it adds
// 1e-6 to BᵀB and 1e-8 to A·Aᵀ, which is what Damping is for; eps is 1e-4; it
// carries second moments on with the transpose of P, with which the full-rank
// limit fails; and its weight decay is not multiplied by the
// learning rate. It also clips the norm of the projected gradients of all
// adapters together: Clip, 0 for none.
type LoFT struct {
	Beta1, Beta2 float64
	Eps          float64
	Damping      float64
	Clip         float64
}

func (LoFT) Needs() []adapter.Capability {
	return []adapter.Capability{adapter.TrainedPair, adapter.Product, adapter.Static}
}
func (LoFT) Provides() []adapter.Capability { return nil }
func (LoFT) Freezes() []string              { return nil }

func (u LoFT) Transform(weightDecay float64) optim.Transform {
	return optim.Chain{
		optim.Partition{Roles: []string{"A", "B"}, Then: loft{u, new(pool)}, Rest: optim.Adam{Beta1: u.Beta1, Beta2: u.Beta2, Eps: u.Eps}},
		optim.Decay{Weight: weightDecay},
	}
}

// Check refuses betas that make no mean, and an eps that is none.
func (u LoFT) Check() error {
	if !(u.Eps > 0 && u.Eps <= 1) {
		return fmt.Errorf("update: LoFT: eps is %v: must be above 0 and at most 1", u.Eps)
	}
	if err := checkDamping("LoFT", u.Damping); err != nil {
		return err
	}
	if err := checkClip("LoFT", u.Clip); err != nil {
		return err
	}
	return checkBetas("LoFT", u.Beta1, u.Beta2)
}

// loft is the transform of LoFT on a pair.
type loft struct {
	LoFT
	pool *pool
}

func (t loft) Init(g *optim.Group) optim.State {
	a, b := g.Role("A"), g.Role("B")
	r, in, out := a.Value.Rows(), a.Value.Cols(), b.Value.Rows()
	return &loftState{
		a: a, b: b, pool: t.pool, place: t.pool.join(),
		bt: make([]float32, r*out), gbt: make([]float32, r*out),
		sideA: newCalibrated(t.LoFT, r, in, out), sideB: newCalibrated(t.LoFT, r, out, in),
	}
}

type loftState struct {
	a, b         *optim.Param
	bt, gbt      []float32 // r×out
	sideA, sideB *calibrated
	pool         *pool
	place        int
}

func (s *loftState) Prepare(*optim.Group, optim.Clock) {
	r, out := s.sideA.r, s.sideB.dim
	gram.Transpose(s.bt, s.b.Value.Floats(), out, r)
	gram.Transpose(s.gbt, s.b.Update, out, r)
	s.sideA.project(s.bt, s.a.Update)
	s.sideB.project(s.a.Value.Floats(), s.gbt)
	s.pool.tell(s.place, s.sideA.squares()+s.sideB.squares())
}

func (s *loftState) Step(_ *optim.Group, c optim.Clock) {
	r, out := s.sideA.r, s.sideB.dim
	clip := s.pool.clip(s.sideA.Clip)
	s.sideA.observe(clip)
	s.sideB.observe(clip)
	if c.Step%2 == 1 {
		s.sideB.move(s.gbt, c.Step)
		gram.Transpose(s.b.Update, s.gbt, r, out)
		clear(s.a.Update)
	} else {
		s.sideA.move(s.a.Update, c.Step)
		clear(s.b.Update)
	}
}

func (s *loftState) Buffers() []optim.Buffer {
	return append(s.sideA.buffers(s.a.Name), s.sideB.buffers(s.b.Name)...)
}
