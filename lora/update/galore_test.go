package update

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn/optim"
)

// weight makes the group of one full weight, and a function that gives it a
// random gradient and returns that.
func weight(out, in int) (*optim.Group, func() *mat.Dense) {
	rng := rand.New(rand.NewPCG(uint64(out), uint64(in)))
	v := ag.NewParameter(out, in, nil)
	g := &optim.Group{Name: "map", Scaling: 1, Params: []*optim.Param{{Name: "map.W", Role: "W", Value: v}}}
	return g, func() *mat.Dense {
		grad := make([]float32, out*in)
		for i := range grad {
			grad[i] = float32(rng.NormFloat64())
		}
		v.ZeroGrad()
		ag.Accumulate(v, func(dst []float32, _ bool) { copy(dst, grad) })
		return dense(out, in, grad)
	}
}

// Against the SVD, with moments of its own.
func TestGaLore(t *testing.T) {
	const rank, every = 3, 3
	for _, size := range [][2]int{{8, 12}, {12, 8}, {8, 8}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			out, in := size[0], size[1]
			g, draw := weight(out, in)
			o := optim.New(GaLore{Rank: rank, Every: every, Scale: 0.25}.Transform(0), []*optim.Group{g})
			long := max(out, in)
			moments := [2]*mat.Dense{mat.NewDense(rank, long, nil), mat.NewDense(rank, long, nil)}
			var p *mat.Dense // short×rank
			for step := 1; step <= 7; step++ {
				grad := draw()
				if out > in {
					grad = mat.DenseCopyOf(grad.T())
				}
				if step%every == 1 {
					var svd mat.SVD
					svd.Factorize(grad, mat.SVDThin)
					var u mat.Dense
					svd.UTo(&u)
					p = mat.DenseCopyOf(u.Slice(0, min(out, in), 0, rank))
					// Signs of singular vectors are free, but what is kept in the moments
					// depends on them from the second window on.
					basis := dense(rank, min(out, in), basisOf(rank, grad))
					for k := range rank {
						if dot := mul(basis.Slice(k, k+1, 0, min(out, in)), p.Slice(0, min(out, in), k, k+1)).At(0, 0); dot < 0 {
							for i := range min(out, in) {
								p.Set(i, k, -p.At(i, k))
							}
						}
					}
				}
				o.Step(0.01)
				want := scaled(0.25, mul(p, adam(step, moments, mul(p.T(), grad))))
				have := dense(out, in, g.Params[0].Update)
				if out > in {
					have = mat.DenseCopyOf(have.T())
				}
				near(t, fmt.Sprintf("step %d", step), have, want, mat.Norm(want, 2))
				near(t, "the column space", mul(p, p.T(), have), have, mat.Norm(have, 2))
			}
		})
	}
}

// basisOf returns the basis that a rule with no past chooses for a gradient of
// more columns than rows: signs of singular vectors are LAPACK's.
func basisOf(rank int, grad *mat.Dense) []float32 {
	n, long := grad.Dims()
	v := ag.NewParameter(n, long, nil)
	ag.Accumulate(v, func(dst []float32, _ bool) { copy(dst, floats(grad)) })
	o := optim.New(GaLore{Rank: rank, Every: 1, Scale: 1}.Transform(0), []*optim.Group{{Name: "g", Params: []*optim.Param{{Name: "W", Role: "W", Value: v}}}})
	o.Step(0)
	_, buffers := o.Save()
	return buffers["g/0.galore.p.W"]
}

// Of the factors of an adapter of no higher rank it is AdamW.
func TestGaLoreOfSmallSides(t *testing.T) {
	p := newProblem(12, 9, 4, "random", 2)
	a, b := p.step(GaLore{Rank: 4, Every: 1, Scale: 0.25}.Transform(0.1))
	wantA, wantB := p.step(AdamW{}.Transform(0.1))
	equal(t, "A", a, wantA)
	equal(t, "B", b, wantB)
	if a, _ := p.step(GaLore{Rank: 3, Every: 1, Scale: 0.25}.Transform(0.1)); math.Abs(mat.Norm(a, 2)-mat.Norm(wantA, 2)) < 0.1 {
		t.Error("rank 3 leaves factors of rank 4 to AdamW")
	}
}
