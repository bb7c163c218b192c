package update

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/nn/optim"
)

// riteReference is LoRA-RITE for one factor by the letter of its definition:
// bases by Householder's QR, which are kept.
type riteReference struct {
	LoRARITE
	u, m, v *mat.Dense
	mass    float64
}

// step returns the direction of a factor dim×r with gradient g, where the other
// is x, other×r.
func (s *riteReference) step(t int, x, g *mat.Dense) *mat.Dense {
	other, r := x.Dims()
	dim, _ := g.Dims()
	var qr mat.QR
	qr.Factorize(x)
	var q, upper, inv mat.Dense
	qr.QTo(&q)
	qr.RTo(&upper)
	u := mat.DenseCopyOf(q.Slice(0, other, 0, r))
	if mat.Norm(x, 2) == 0 {
		inv = *mat.NewDense(r, r, nil)
	} else if err := inv.Inverse(upper.Slice(0, r, 0, r)); err != nil {
		panic(err)
	}
	h := mul(g, &inv)
	if s.Skip > 0 && mat.Norm(h, 2)/math.Sqrt(float64(dim*r)) > s.Skip {
		h.Zero()
	}
	if s.u == nil {
		s.u, s.m, s.v = mat.NewDense(other, r, nil), mat.NewDense(dim, r, nil), mat.NewDense(r, r, nil)
	}
	p := mul(u.T(), s.u)
	s.u = u
	decay := func(beta float64) float64 {
		return beta * (1 - math.Pow(beta, float64(t-1))) / (1 - math.Pow(beta, float64(t)))
	}
	b1, b2 := decay(s.Beta1), decay(s.Beta2)
	v := mul(p, s.v, p.T())
	if s.EscapedMass {
		lost, before, after := 0.0, eigenvalues(s.v), eigenvalues(v)
		for k := range before {
			lost = max(lost, before[k]-after[k])
		}
		s.mass = b2 * (s.mass + min(lost, max(0, mat.Trace(s.v)-mat.Trace(v))))
	}
	s.v = sum(scaled(b2, v), scaled((1-b2)/float64(dim), mul(h.T(), h)))
	var e mat.EigenSym
	e.Factorize(symmetric(s.v), true)
	var w mat.Dense
	e.VectorsTo(&w)
	root := mat.NewDense(r, r, nil)
	for k, l := range e.Values(nil) {
		root.Set(k, k, 1/(math.Sqrt(max(l, 0)+s.mass)+s.Eps))
	}
	s.m = sum(scaled(b1, mul(s.m, p.T())), scaled(1-b1, mul(h, &w, root, w.T())))
	return mul(s.m, inv.T())
}

func symmetric(m *mat.Dense) *mat.SymDense {
	n, _ := m.Dims()
	s := mat.NewSymDense(n, nil)
	for i := range n {
		for j := range n {
			s.SetSym(i, j, (m.At(i, j)+m.At(j, i))/2)
		}
	}
	return s
}

func eigenvalues(m *mat.Dense) []float64 {
	var e mat.EigenSym
	e.Factorize(symmetric(m), false)
	return e.Values(nil)
}

func TestRITE(t *testing.T) {
	for _, u := range []LoRARITE{
		{Beta1: 0.9, Beta2: 0.999, Eps: 1e-6},
		{Beta1: 0.9, Beta2: 0.999, Eps: 1e-6, EscapedMass: true},
		{Beta1: 0.5, Beta2: 0.7, Eps: 1e-3, EscapedMass: true},
		{Beta1: 0.9, Beta2: 0.999, Eps: 1e-6, Skip: 0.76}, // between the two factors' in the first steps
	} {
		for _, r := range []int{1, 4} {
			for _, start := range []string{"random", "zero"} {
				t.Run(fmt.Sprintf("%+v/r=%d/%s", u, r, start), func(t *testing.T) {
					if err := u.Check(); err != nil {
						t.Error(err)
					}
					refA, refB := &riteReference{LoRARITE: u}, &riteReference{LoRARITE: u}
					// Rows of P that meet the last basis at a right angle, and small
					// eigenvalues of V, lose a few of float32's digits.
					follow(t, u.Transform(0.1), newProblem(24, 17, r, start, 4), 5, 2e-4, func(step int, p *problem, ga, gb *mat.Dense) (*mat.Dense, *mat.Dense) {
						a := refA.step(step, p.b, mat.DenseCopyOf(ga.T()))
						b := refB.step(step, mat.DenseCopyOf(p.a.T()), gb)
						return sum(a.T(), scaled(0.1, p.a)), sum(b, scaled(0.1, p.b))
					})
				})
			}
		}
	}
	for _, u := range []LoRARITE{{Beta1: 1, Eps: 1e-6}, {Eps: 0}, {Eps: 1e-6, Skip: -1}} {
		if u.Check() == nil {
			t.Errorf("%+v is accepted", u)
		}
	}
}

// Where a factor lacks rank, the other does not move in what it maps to nothing.
func TestRITEWithoutFullRank(t *testing.T) {
	each(t, func(t *testing.T, p *problem) {
		g := p.group()
		o := optim.New(LoRARITE{Beta1: 0.9, Beta2: 0.999, Eps: 1e-6, EscapedMass: true}.Transform(0), []*optim.Group{g})
		for range 4 {
			rangeB, rangeA := projector(p.b.T()), projector(p.a)
			o.Step(0.01)
			a, b := updates(g)
			near(t, "A", mul(rangeB, a), a, mat.Norm(a, 2))
			near(t, "B", mul(b, rangeA), b, mat.Norm(b, 2))
			p.backward(g)
		}
	})
}
