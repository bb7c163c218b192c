package probe

import (
	"math"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/geometry"
	"github.com/lowrank/lowrank/lora/internal/gram"
)

// factors adds the statistics of the factors A and B after the step, and the
// norms of the gradients that it was made of.
func (p *Probe) factors(o *observed) {
	w := &p.work
	a, b := o.m.Factor("A"), o.m.Factor("B")
	if a != nil {
		p.add(o, "norm_a", norm(a))
	}
	if b != nil {
		p.add(o, "norm_b", norm(b))
	}
	if o.remembered && !math.IsNaN(o.gradNorm[0]) {
		p.add(o, "grad_norm_a", o.gradNorm[0])
	}
	if o.remembered && !math.IsNaN(o.gradNorm[1]) {
		p.add(o, "grad_norm_b", o.gradNorm[1])
	}
	trainedA, trainedB := a != nil && a.Trained, b != nil && b.Trained
	if trainedA {
		n := a.Rows()
		w.sa = gram.Resize(w.sa, n*n)
		gram.Gram(w.sa, gram.Rows{N: n, Dim: a.Cols(), Data: a.Floats()})
		p.add(o, "condition_a", w.spectrum.Condition(n, w.sa))
	}
	if trainedB {
		n := b.Cols()
		w.bt, w.sb = gram.Resize(w.bt, len(b.Floats())), gram.Resize(w.sb, n*n)
		gram.Transpose(w.bt, b.Floats(), b.Rows(), n)
		gram.Gram(w.sb, gram.Rows{N: n, Dim: b.Rows(), Data: w.bt})
		p.add(o, "condition_b", w.spectrum.Condition(n, w.sb))
	}
	if trainedA && trainedB {
		p.add(o, "balance", geometry.Balance(w.sa, w.sb))
	}
}

func norm(f *adapter.Factor) float64 { return math.Sqrt(kernels.SumSquares(f.Floats())) }
