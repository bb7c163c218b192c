package probe

import (
	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/geometry"
)

// oversampling and iterations of the search for the leading triplets (Halko,
// Martinsson and Tropp, SIAM Rev. 53(2), 2011, algorithm 4.4).
const oversampling, iterations = 8, 2

// findFirst keeps the subspaces of the r leading triplets of the full gradient
// G = DᵀX over the probe batch at step 0: by products with X and D alone.
func (l *layer) findFirst(x, dy []float32) {
	if l.p.step != 0 || len(l.first.left) > 0 {
		return
	}
	d, err := leadingOf(l, x, dy, l.m.Rank)
	if err != nil || len(d.S) == 0 || d.S[0] == 0 {
		return
	}
	l.first.keep(d.U, d.V)
}

// leadingOf returns the k leading triplets of DᵀX.
func leadingOf(l *layer, x, dy []float32, k int) (geometry.SVD, error) {
	in, out := l.m.In, l.m.Out
	n := len(dy) / out
	p := min(k+oversampling, in, out, l.rows(n))
	rng := l.rng()
	v := mat.NewDense(in, p, nil)
	for i := range v.RawMatrix().Data {
		v.RawMatrix().Data[i] = rng.NormFloat64()
	}
	u := new(mat.Dense)
	middle := make([]float32, n*p)
	times := func(a []float32, wide int, q *mat.Dense, b []float32, high int) *mat.Dense { // bᵀ·(a·q)
		small := make([]float32, wide*p)
		for i, f := range q.RawMatrix().Data {
			small[i] = float32(f)
		}
		kernels.MatMul(kernels.NN, false, n, p, wide, a, wide, small, p, middle, p)
		big := make([]float32, high*p)
		kernels.MatMul(kernels.TN, false, high, p, n, b, high, middle, p, big, p)
		d, _ := geometry.Dense(big, high, p)
		return d
	}
	for range iterations + 1 {
		if u = times(x, in, v, dy, out); u == nil {
			return geometry.SVD{}, errNotFinite
		}
		u, _ = geometry.QR(u)
		if v = times(dy, out, u, x, in); v == nil { // Gᵀ·U
			return geometry.SVD{}, errNotFinite
		}
		v, _ = geometry.QR(v)
	}
	w := times(dy, out, u, x, in)
	if w == nil {
		return geometry.SVD{}, errNotFinite
	}
	d, err := geometry.DecomposeProduct(u, w) // U·(Gᵀ·U)ᵀ
	if err != nil {
		return d, err
	}
	return d.Head(k), nil
}

const errNotFinite Undefined = "the gradient is not finite"

// overlapGradient compares the singular vectors of ΔW with the first gradient's.
var overlapGradient = func() []Metric {
	var both []Metric
	for side, space := range []string{"left", "right"} {
		both = append(both, Metric{
			Name: "overlap_gradient_" + space, Definition: "mean squared cosine between the first r " + space + " singular vectors of ΔW and the r leading ones of G over the probe batch before the first step",
			Source: "arXiv 2502.01235", Unit: "1", Range: "[0, 1]", Gauge: Invariant, Rescaling: Unscaled, Cost: "14r²·d + 40r³, and once 12N·d·r", Tier: 2, Aggregate: Mean,
			value: func(l *layer) (float64, error) {
				if _, err := l.netSpaces(); err != nil {
					return 0, err
				}
				if len(l.first.left) == 0 {
					return 0, noFirst
				}
				return l.first.overlap(l, side == 1)
			},
		})
	}
	return both
}()

const noFirst Undefined = "the gradient before the first step was not seen"

// netSpaces returns the subspaces of the net change of the weight, of its first r
// singular vectors.
func (l *layer) netSpaces() (*subspaces, error) {
	return l.nets.get(l.p.tick, func(s *subspaces) error {
		d, err := l.netTriplets()
		if err != nil {
			return err
		}
		if s.left, s.right = d.Leading(l.m.Rank); s.left == nil {
			return noChange
		}
		return nil
	})
}

// netTriplets decomposes the net change of the weight.
func (l *layer) netTriplets() (geometry.SVD, error) {
	if gated(l.m) {
		return geometry.SVD{}, gatedWeight
	}
	now, err := l.now()
	if err != nil {
		return geometry.SVD{}, err
	}
	now = l.netOf(now)
	return now.times(l.s).SVD()
}
