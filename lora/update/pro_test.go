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

// A problem is an adapter at a point with the gradient G of its full weight.
type problem struct {
	s       float64
	a, b, g *mat.Dense
}

// newProblem draws a problem; the start of B is "random", "zero", "masked"
// (its first column is zero) or "duplicated" (its first two are equal, and the
// first two rows of A).
func newProblem(out, in, r int, start string, seed uint64) *problem {
	rng := rand.New(rand.NewPCG(seed, 1))
	draw := func(rows, cols int) *mat.Dense {
		d := mat.NewDense(rows, cols, nil)
		for i := range rows {
			for j := range cols {
				d.Set(i, j, float64(float32(rng.NormFloat64())))
			}
		}
		return d
	}
	p := &problem{s: 0.75, a: draw(r, in), b: draw(out, r), g: draw(out, in)}
	switch start {
	case "zero":
		p.b.Zero()
	case "masked":
		p.b.SetCol(0, make([]float64, out))
	case "duplicated":
		p.b.SetCol(min(1, r-1), mat.Col(nil, 0, p.b))
		p.a.SetRow(min(1, r-1), mat.Row(nil, 0, p.a))
	}
	return p
}

func mul(m ...mat.Matrix) *mat.Dense {
	d := mat.DenseCopyOf(m[0])
	for _, x := range m[1:] {
		var t mat.Dense
		t.Mul(d, x)
		d = &t
	}
	return d
}

func sum(m ...mat.Matrix) *mat.Dense {
	d := mat.DenseCopyOf(m[0])
	for _, x := range m[1:] {
		d.Add(d, x)
	}
	return d
}

func scaled(c float64, m mat.Matrix) *mat.Dense {
	d := mat.DenseCopyOf(m)
	d.Scale(c, d)
	return d
}

func inner(a, b mat.Matrix) float64 { return mat.Trace(mul(a.T(), b)) }

// projector returns the projection on the column space of m, by its SVD.
func projector(m mat.Matrix) *mat.Dense {
	rows, _ := m.Dims()
	p := mat.NewDense(rows, rows, nil)
	var svd mat.SVD
	if !svd.Factorize(m, mat.SVDThin) {
		panic("no SVD")
	}
	var u mat.Dense
	svd.UTo(&u)
	for k, s := range svd.Values(nil) {
		if s > 1e-6*svd.Values(nil)[0] && s > 0 {
			p.RankOne(p, 1, u.ColView(k), u.ColView(k))
		}
	}
	return p
}

// tangentProjection is P_B·G + G·P_A − P_B·G·P_A.
func (p *problem) tangentProjection(g mat.Matrix) *mat.Dense {
	pb, pa := projector(p.b), projector(p.a.T())
	return sum(mul(pb, g), mul(g, pa), scaled(-1, mul(pb, g, pa)))
}

// equivalent is s·(B·a + b·A).
func (p *problem) equivalent(a, b mat.Matrix) *mat.Dense {
	return scaled(p.s, sum(mul(p.b, a), mul(b, p.a)))
}

func (p *problem) gradients() (ga, gb *mat.Dense) {
	return scaled(p.s, mul(p.b.T(), p.g)), scaled(p.s, mul(p.g, p.a.T()))
}

func floats(m *mat.Dense) []float32 {
	var f []float32
	for _, v := range m.RawMatrix().Data {
		f = append(f, float32(v))
	}
	return f
}

func dense(rows, cols int, f []float32) *mat.Dense {
	d := mat.NewDense(rows, cols, nil)
	for i, v := range f {
		d.Set(i/cols, i%cols, float64(v))
	}
	return d
}

// group makes the optimizer's group of the problem, with its gradients set.
func (p *problem) group() *optim.Group {
	r, in := p.a.Dims()
	out, _ := p.b.Dims()
	g := &optim.Group{Name: "map", Scaling: float32(p.s), Params: []*optim.Param{
		{Name: "map.A", Role: "A", Value: ag.NewParameter(r, in, floats(p.a))},
		{Name: "map.B", Role: "B", Value: ag.NewParameter(out, r, floats(p.b))},
	}}
	p.backward(g)
	return g
}

// backward takes the values of the group and sets its gradients.
func (p *problem) backward(g *optim.Group) {
	a, b := g.Role("A").Value, g.Role("B").Value
	p.a, p.b = dense(a.Rows(), a.Cols(), a.Floats()), dense(b.Rows(), b.Cols(), b.Floats())
	ga, gb := p.gradients()
	for v, grad := range map[*ag.Variable]*mat.Dense{a: ga, b: gb} {
		v.ZeroGrad()
		ag.Accumulate(v, func(dst []float32, _ bool) { copy(dst, floats(grad)) })
	}
}

// step takes one step of the transform and returns the updates of A and B.
func (p *problem) step(t optim.Transform) (a, b *mat.Dense) {
	g := p.group()
	optim.New(t, []*optim.Group{g}).Step(0)
	return updates(g)
}

func updates(g *optim.Group) (a, b *mat.Dense) {
	pa, pb := g.Role("A"), g.Role("B")
	return dense(pa.Value.Rows(), pa.Value.Cols(), pa.Update), dense(pb.Value.Rows(), pb.Value.Cols(), pb.Update)
}

func each(t *testing.T, f func(t *testing.T, p *problem)) {
	for i, size := range [][2]int{{32, 24}, {96, 64}} {
		for _, r := range []int{1, 3, 8} {
			for j, start := range []string{"random", "zero", "masked", "duplicated"} {
				t.Run(fmt.Sprintf("%dx%d/r=%d/%s", size[0], size[1], r, start), func(t *testing.T) {
					f(t, newProblem(size[0], size[1], r, start, uint64(100*i+10*r+j)))
				})
			}
		}
	}
}

// The gradients are float32: relative errors of 6e-8, times the condition of
// Gram matrices of at most some hundreds.
const precision = 2e-5

func near(t *testing.T, what string, got, want mat.Matrix, scale float64) {
	t.Helper()
	if d := mat.Norm(sum(got, scaled(-1, want)), 2); !(d <= precision*scale) {
		t.Errorf("%s: off by %.3g of %.3g", what, d, scale)
	}
}

// Whatever X is, the step is the projection of G on the tangent space.
func TestProEquivalentGradient(t *testing.T) {
	each(t, func(t *testing.T, p *problem) {
		size := mat.Norm(p.g, 2)
		want := p.tangentProjection(p.g)
		a, b := p.step(LoRAPro{Form: Gradient}.Transform(0))
		near(t, "with the closest X", p.equivalent(a, b), want, size)

		ga, gb := p.gradients()
		if got, norm := inner(a, ga)+inner(b, gb), inner(want, want); math.Abs(got-norm) > precision*norm {
			t.Errorf("<a,gA> + <b,gB> is %v: must be ‖g̃‖² = %v", got, norm)
		}

		r, in := p.a.Dims()
		out, _ := p.b.Dims()
		tan := newTangent(float32(p.s), r, in, out)
		fa, fb := floats(ga), floats(gb)
		tan.at(floats(p.a), floats(p.b))
		tan.solve(fa, fb, Zero)
		a0, b0 := dense(r, in, fa), dense(out, r, fb)
		near(t, "with X = 0", p.equivalent(a0, b0), want, size)

		distance := func(a, b mat.Matrix) float64 {
			return math.Hypot(mat.Norm(sum(a, scaled(-1, ga)), 2), mat.Norm(sum(b, scaled(-1, gb)), 2))
		}
		best := distance(a, b)
		rng := rand.New(rand.NewPCG(7, 7))
		for range 10 { // any other X is further from the gradients
			x := mat.NewDense(r, r, nil)
			for i := range r {
				for j := range r {
					x.Set(i, j, 0.1*rng.NormFloat64())
				}
			}
			if d := distance(sum(a, mul(x, p.a)), sum(b, scaled(-1, mul(p.b, x)))); d < best*(1-1e-6) {
				t.Errorf("the directions are %v from the gradients, others %v", best, d)
			}
		}
	})
}

func TestProSylvester(t *testing.T) {
	each(t, func(t *testing.T, p *problem) {
		r, in := p.a.Dims()
		out, _ := p.b.Dims()
		tan := newTangent(float32(p.s), r, in, out)
		ga, gb := p.gradients()
		tan.at(floats(p.a), floats(p.b))
		tan.solve(floats(ga), floats(gb), Closest)
		x, invB := mat.NewDense(r, r, tan.x), mat.NewDense(r, r, tan.invB) // invB holds 1/s²
		left := sum(mul(p.b.T(), p.b, x), mul(x, p.a, p.a.T()))
		right := scaled(-1, mul(invB, ga, p.a.T()))
		// All of it is float64 but gA, which was rounded to float32.
		near(t, "(BᵀB)X + X(AAᵀ)", left, right, mat.Norm(right, 2)+1e-30)
	})
}

// B·M, M⁻¹·A is the same product: the step of the weight must be the same, and
// that of plain descent is not.
func TestProGauge(t *testing.T) {
	for _, r := range []int{1, 3, 8} {
		p := newProblem(32, 24, r, "random", uint64(r))
		m, inverse := mat.NewDense(r, r, nil), mat.NewDense(r, r, nil)
		rng := rand.New(rand.NewPCG(3, 3))
		for i := range r {
			for j := range r {
				m.Set(i, j, 0.3*rng.NormFloat64())
			}
			m.Set(i, i, m.At(i, i)+2)
		}
		if err := inverse.Inverse(m); err != nil {
			t.Fatal(err)
		}
		q := &problem{s: p.s, a: mul(inverse, p.a), b: mul(p.b, m), g: p.g}
		change := func(p *problem, t optim.Transform) *mat.Dense { a, b := p.step(t); return p.equivalent(a, b) }
		rule := LoRAPro{Form: Gradient}.Transform(0)
		near(t, "LoRA-Pro", change(q, rule), change(p, rule), mat.Norm(p.g, 2))
		plain := optim.Chain{}
		one, other := change(p, plain), change(q, plain)
		if d := mat.Norm(sum(one, scaled(-1, other)), 2); d < 0.1*mat.Norm(one, 2) {
			t.Errorf("r = %d: plain descent moved the weight alike in both gauges, up to %v", r, d)
		}
	}
}

// Three steps of the full form against dense float64 moments of g̃.
func TestProFullAdam(t *testing.T) {
	each(t, func(t *testing.T, p *problem) {
		out, in := p.g.Dims()
		m, v := mat.NewDense(out, in, nil), mat.NewDense(out, in, nil)
		g := p.group()
		o := optim.New(LoRAPro{}.Transform(0), []*optim.Group{g})
		for step := 1; step <= 3; step++ {
			geq := p.tangentProjection(p.g)
			ghat := mat.NewDense(out, in, nil)
			ghat.Apply(func(i, j int, x float64) float64 {
				m.Set(i, j, 0.9*m.At(i, j)+0.1*x)
				v.Set(i, j, 0.999*v.At(i, j)+0.001*x*x)
				mh, vh := m.At(i, j)/(1-math.Pow(0.9, float64(step))), v.At(i, j)/(1-math.Pow(0.999, float64(step)))
				return mh / (math.Sqrt(vh) + 1e-8)
			}, geq)
			want := p.tangentProjection(ghat)
			o.Step(0.01)
			_, moments := o.Save()
			near(t, "m", dense(out, in, moments["map/0.adam.m.map.B*A"]), m, mat.Norm(p.g, 2))
			a, b := updates(g)
			// The first ĝ is a sign, which turns where g̃ is smaller than its
			// float32 error: up to a few entries in a thousand times 2.
			if d, size := mat.Norm(sum(p.equivalent(a, b), scaled(-1, want)), 2), mat.Norm(want, 2); !(d <= 0.002*size) {
				t.Errorf("step %d: the change of the weight is off by %.3g of %.3g", step, d, size)
			}
			p.backward(g)
		}
	})
}

func BenchmarkLoRAPro(b *testing.B) {
	for _, form := range []Form{FullAdam, FactoredAdam} {
		b.Run(fmt.Sprint("form=", form), func(b *testing.B) {
			o := optim.New(LoRAPro{Form: form}.Transform(0), []*optim.Group{newProblem(256, 256, 8, "random", 1).group()})
			b.ReportAllocs()
			for b.Loop() {
				o.Step(1e-6)
			}
		})
	}
}
