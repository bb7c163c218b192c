package update

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/nn/optim"
)

// columnWise is LoFT for one factor by the letter, with the moments of the full
// weight, dim×other, as matrices: Q_j as the mean of outer products in the
// space of the other factor, which is kept whole.
type columnWise struct {
	LoFT
	first  *mat.Dense   // other×dim: the first moment, whole
	second []*mat.Dense // other×other for each column: of the moments' outer products
}

// step returns the direction r×dim for a gradient g, r×dim, where the other
// factor is x, other×r.
func (s *columnWise) step(t int, x, g *mat.Dense) *mat.Dense {
	other, _ := x.Dims()
	r, dim := g.Dims()
	pinv := mat.NewDense(r, r, nil) // (xᵀx + damping)⁻¹, 0 where x is
	if mat.Norm(x, 2) > 0 {
		pinv = inverse(x.T(), s.Damping)
	}
	if s.first == nil {
		s.first = mat.NewDense(other, dim, nil)
		for range dim {
			s.second = append(s.second, mat.NewDense(other, other, nil))
		}
	}
	p := mul(x, pinv, x.T()) // projects on the space of now
	full := mul(x, pinv, g)
	s.first = sum(scaled(s.Beta1, mul(p, s.first)), scaled(1-s.Beta1, full))
	f := mat.NewDense(other, dim, nil)
	for j := range dim {
		column := mat.DenseCopyOf(full.ColView(j))
		s.second[j] = sum(scaled(s.Beta2, mul(p, s.second[j], p.T())), scaled(1-s.Beta2, mul(column, column.T())))
		for i := range other {
			m := s.first.At(i, j) / (1 - math.Pow(s.Beta1, float64(t)))
			v := max(s.second[j].At(i, i), 0) / (1 - math.Pow(s.Beta2, float64(t)))
			f.Set(i, j, m/(math.Sqrt(v)+s.Eps))
		}
	}
	return mul(pinv, x.T(), f)
}

func TestLoFT(t *testing.T) {
	for _, u := range []LoFT{
		{Beta1: 0.9, Beta2: 0.999, Eps: 1e-4},
		{Beta1: 0.5, Beta2: 0.7, Eps: 0.1},
		{Beta1: 0.9, Beta2: 0.999, Eps: 1e-4, Damping: 0.01},
	} {
		if err := u.Check(); err != nil {
			t.Error(err)
		}
		for _, r := range []int{1, 4} {
			for _, start := range []string{"random", "zero"} {
				refA, refB := &columnWise{LoFT: u}, &columnWise{LoFT: u}
				follow(t, u.Transform(0.1), newProblem(12, 9, r, start, 4), 5, 1e-4, func(step int, p *problem, ga, gb *mat.Dense) (*mat.Dense, *mat.Dense) {
					a := refA.step(step, p.b, ga)
					b := mat.DenseCopyOf(refB.step(step, mat.DenseCopyOf(p.a.T()), mat.DenseCopyOf(gb.T())).T())
					if step%2 == 1 {
						a.Zero()
					} else {
						b.Zero()
					}
					return sum(a, scaled(0.1, p.a)), sum(b, scaled(0.1, p.b))
				})
			}
		}
	}
	for _, u := range []LoFT{{Beta1: 1, Eps: 1}, {Eps: 0}, {Eps: 1, Damping: -1}} {
		if u.Check() == nil {
			t.Errorf("%+v is accepted", u)
		}
	}
}

// Where both factors are square and have full rank, the weight moves as by
// Adam.
func TestLoFTOfFullRank(t *testing.T) {
	const n, lr = 6, 0.01
	p := newProblem(n, n, n, "random", 8)
	for i := range n { // well away from singular
		p.a.Set(i, i, p.a.At(i, i)+6)
		p.b.Set(i, i, p.b.At(i, i)+6)
	}
	p.s = 1
	g := p.group()
	o := optim.New(LoFT{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}.Transform(0), []*optim.Group{g})
	moments := [2]*mat.Dense{mat.NewDense(n, n, nil), mat.NewDense(n, n, nil)}
	for step := 1; step <= 6; step++ {
		p.g = scaled(1+float64(step%3), p.g.T())
		p.backward(g)
		before := mul(p.b, p.a)
		want := adam(step, moments, p.g)
		o.Step(lr)
		p.backward(g)
		change := sum(before, scaled(-1, mul(p.b, p.a)))
		// The weight is float32 of size 40, and is read through its factors.
		if d := mat.Norm(sum(scaled(1/lr, change), scaled(-1, want)), 2); !(d < 1e-2*mat.Norm(want, 2)) {
			t.Errorf("step %d: the weight moves by Adam's %.4g but for %.3g", step, mat.Norm(want, 2), d)
		}
	}
}
