package update

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn/optim"
)

// polar is U·Vᵀ of the SVD.
func polar(g *mat.Dense) *mat.Dense {
	var svd mat.SVD
	svd.Factorize(g, mat.SVDThin)
	var u, v mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	return mul(&u, v.T())
}

// quintic takes five of Muon's steps on the matrix itself.
func quintic(g *mat.Dense) *mat.Dense {
	x := scaled(1/(mat.Norm(g, 2)+1e-7), g)
	for range 5 {
		s := mul(x, x.T())
		x = sum(scaled(3.4445, x), mul(sum(scaled(-4.7750, s), scaled(2.0315, mul(s, s))), x))
	}
	return x
}

func TestMuon(t *testing.T) {
	for _, c := range []struct {
		u    Muon
		sign func(*mat.Dense) *mat.Dense
		size func(rows, cols float64) float64
	}{
		{Muon{Momentum: 0.95, Nesterov: true, Steps: 5}, quintic, func(rows, cols float64) float64 { return math.Sqrt(max(1, rows/cols)) }},
		{Muon{Momentum: 0.9, Steps: 5, MatchRMS: true}, quintic, func(rows, cols float64) float64 { return 0.2 * math.Sqrt(max(rows, cols)) }},
		{Muon{}, polar, func(rows, cols float64) float64 { return math.Sqrt(max(1, rows/cols)) }},
	} {
		for _, r := range []int{1, 4} {
			p := newProblem(24, 17, r, "random", 4)
			ma, mb := scaled(0, p.a), scaled(0, p.b)
			one := func(m, g *mat.Dense) *mat.Dense {
				m.Add(scaled(c.u.Momentum, m), g)
				u := m
				if c.u.Nesterov {
					u = sum(g, scaled(c.u.Momentum, m))
				}
				rows, cols := u.Dims()
				return scaled(c.size(float64(rows), float64(cols)), c.sign(u))
			}
			follow(t, c.u.Transform(0.1), p, 4, 1e-5, func(_ int, p *problem, ga, gb *mat.Dense) (*mat.Dense, *mat.Dense) {
				return sum(one(ma, ga), scaled(0.1, p.a)), sum(one(mb, gb), scaled(0.1, p.b))
			})
		}
	}
	for _, u := range []Muon{{Momentum: 1}, {Steps: -1}} {
		if u.Check() == nil {
			t.Errorf("%+v is accepted", u)
		}
	}
}

// A zero gradient, which A has while B is zero, moves nothing.
func TestMuonOfZero(t *testing.T) {
	for _, steps := range []int{0, 5} {
		a, _ := newProblem(24, 17, 4, "zero", 1).step(Muon{Steps: steps}.Transform(0))
		if mat.Norm(a, 2) != 0 {
			t.Errorf("steps %d: A moves by %v", steps, mat.Norm(a, 2))
		}
	}
}

// What is no factor or weight goes by AdamW.
func TestMuonOthers(t *testing.T) {
	one := func(rule optim.Transform) []float32 {
		v := ag.NewParameter(2, 3, []float32{1, 2, 3, 4, 5, 6})
		ag.Accumulate(v, func(g []float32, _ bool) { copy(g, []float32{1, -2, 3, 0.5, 5, -6}) })
		g := &optim.Group{Name: "head", Scaling: 1, Params: []*optim.Param{{Name: "head", Value: v}}}
		optim.New(rule, []*optim.Group{g}).Step(0.1)
		return v.Floats()
	}
	muon, adam := one(Muon{Steps: 5}.Transform(0.1)), one(AdamW{}.Transform(0.1))
	for i, v := range adam {
		if muon[i] != v {
			t.Errorf("value %d is %v, by AdamW %v", i, muon[i], v)
		}
	}
}
