package loratest

import (
	"runtime"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"gonum.org/v1/gonum/mat"
)

func agree(m lora.Method) error {
	r, err := small(8).regress(m, spread)
	if err != nil {
		return err
	}
	r.opt.ZeroGrad()
	r.tape.Replay()
	if err := r.tape.Backward(r.loss); err != nil {
		return err
	}
	a, b := r.set.Maps[0].Factor("A"), r.set.Maps[0].Factor("B")
	var left, right mat.Dense
	left.Mul(dense(a.Rows(), a.Cols(), a.GradFloats()), dense(a.Rows(), a.Cols(), a.Floats()).T())
	right.Mul(dense(b.Rows(), b.Cols(), b.Floats()).T(), dense(b.Rows(), b.Cols(), b.GradFloats()))
	if d := apart(&left, &right); !(d <= 1e-5) { // a float32 backward pass
		return errorf("they differ by %.3g", d)
	}
	return nil
}

// oneSided: with A frozen every change of the weight has rows in the space of A's,
// with B frozen columns in that of B's.
func oneSided(m lora.Method) error {
	s := small(5)
	var space *mat.Dense
	frozen := m.Update.Freezes()[0]
	d, err := s.walk(m, 0.05, func(m *adapter.Map) {
		f := m.Factor(frozen)
		x := dense(f.Rows(), f.Cols(), f.Floats())
		if frozen == "A" {
			x = mat.DenseCopyOf(x.T())
		}
		space = x
	})
	if err != nil {
		return err
	}
	if frozen == "A" {
		d = mat.DenseCopyOf(d.T())
	}
	var gram, inv, p, kept mat.Dense
	gram.Mul(space.T(), space)
	if err := inv.Inverse(&gram); err != nil {
		return err
	}
	p.Product(space, &inv, space.T())
	kept.Mul(&p, d)
	if off := apart(d, &kept); !(off <= 1e-5) || mat.Norm(d, 2) == 0 {
		return errorf("the change of %v leaves the space of %s by %.3g", mat.Norm(d, 2), frozen, off)
	}
	return nil
}

func determined(m lora.Method) error {
	s := shape{out: 96, in: 130, rank: 4, alpha: 4, steps: 6, seed: 1}
	var first lora.State
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, threads := range []int{1, 4} {
		runtime.GOMAXPROCS(threads)
		r, err := s.regress(m, nil)
		if err != nil {
			return err
		}
		for range s.steps {
			if err := r.step(0.01); err != nil {
				return err
			}
		}
		state := r.set.State()
		if first == nil {
			first = state
		}
		for name, x := range first {
			if err := equal(name, state[name], x); err != nil {
				return err
			}
		}
	}
	return nil
}
