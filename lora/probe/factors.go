package probe

import (
	"math"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
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
		p.add(o, "condition_a", w.condition(n, w.sa))
	}
	if trainedB {
		n := b.Cols()
		w.bt, w.sb = gram.Resize(w.bt, len(b.Floats())), gram.Resize(w.sb, n*n)
		gram.Transpose(w.bt, b.Floats(), b.Rows(), n)
		gram.Gram(w.sb, gram.Rows{N: n, Dim: b.Rows(), Data: w.bt})
		p.add(o, "condition_b", w.condition(n, w.sb))
	}
	if trainedA && trainedB {
		var sum float64
		for i, x := range w.sb {
			sum += (x - w.sa[i]) * (x - w.sa[i])
		}
		p.add(o, "balance", math.Sqrt(sum))
	}
}

func norm(f *adapter.Factor) float64 { return math.Sqrt(kernels.SumSquares(f.Floats())) }

// condition returns σ₁/σ_n of the factor with that Gram matrix: infinite where
// it is rank deficient to the precision of its numbers.
func (w *workspace) condition(n int, s []float64) float64 {
	w.eigen.Values(n, s)
	w.eigen.Truncate()
	if w.eigen.L[0] == 0 {
		return math.Inf(1)
	}
	return math.Sqrt(w.eigen.L[n-1] / w.eigen.L[0])
}
