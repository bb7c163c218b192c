package update

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// The change of the weight is that of a dense reference in float64: the gradient in
// the tangent space, its singular values made 1 or brought there by Muon's quintic,
// and in the tangent space again, of which B·a has half of what both factors can make.
func TestTangentMuon(t *testing.T) {
	signs := map[int]func(*mat.Dense) *mat.Dense{0: partialPolar, 5: quintic}
	each(t, func(t *testing.T, p *problem) {
		for steps, sign := range signs {
			for _, rms := range []bool{false, true} {
				a, b := p.step(TangentMuon{Steps: steps, MatchRMS: rms}.Transform(0))
				out, in := p.g.Dims()
				size := math.Sqrt(max(1, float64(out)/float64(in)))
				if rms {
					size = 0.2 * math.Sqrt(float64(max(out, in)))
				}
				o := scaled(size, sign(p.tangentProjection(p.g)))
				pb, pa := projector(p.b), projector(p.a.T())
				near(t, "the change", p.equivalent(a, b), p.tangentProjection(o), mat.Norm(o, 2))
				near(t, "s·B·a", scaled(p.s, mul(p.b, a)), sum(mul(pb, o), scaled(-0.5, mul(pb, o, pa))), mat.Norm(o, 2))
			}
		}
	})
	for _, u := range []TangentMuon{{Momentum: 1}, {Steps: -1}} {
		if u.Check() == nil {
			t.Errorf("%+v is accepted", u)
		}
	}
}

// partialPolar is U·Vᵀ of the singular values that are not zero.
func partialPolar(g *mat.Dense) *mat.Dense {
	var svd mat.SVD
	svd.Factorize(g, mat.SVDThin)
	var u, v mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	d := svd.Values(nil)
	largest := d[0]
	for i := range d {
		if d[i] = 0; svd.Values(nil)[i] > 1e-5*largest {
			d[i] = 1
		}
	}
	return mul(&u, mat.NewDiagDense(len(d), d), v.T())
}
