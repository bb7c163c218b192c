package update

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/nn/optim"
)

// A reference works out the updates of A and B at a step in float64, from the
// problem's factors and from gradients that are rounded as the rule's are.
type reference func(step int, p *problem, ga, gb *mat.Dense) (a, b *mat.Dense)

// follow takes steps of a rule, each with a full gradient of its own, and
// compares the updates of each with the reference's at the same factors.
func follow(t *testing.T, rule optim.Transform, p *problem, steps int, tolerance float64, ref reference) {
	t.Helper()
	rng := rand.New(rand.NewPCG(11, 5))
	g := p.group()
	o := optim.New(rule, []*optim.Group{g})
	for step := 1; step <= steps; step++ {
		p.g.Apply(func(int, int, float64) float64 { return float64(float32(rng.NormFloat64())) }, p.g)
		p.backward(g)
		r, in := p.a.Dims()
		out, _ := p.b.Dims()
		a, b := ref(step, p, dense(r, in, g.Role("A").Value.GradFloats()), dense(out, r, g.Role("B").Value.GradFloats()))
		o.Phase = (step-1)/phase*phase + 1
		o.Step(0.05)
		haveA, haveB := updates(g)
		for _, c := range []struct {
			name       string
			have, want *mat.Dense
		}{{"A", haveA, a}, {"B", haveB, b}} {
			if d, size := mat.Norm(sum(c.have, scaled(-1, c.want)), 2), mat.Norm(c.want, 2); !(d <= tolerance*size) {
				t.Errorf("step %d: the update of %s is off by %.3g of %.3g", step, c.name, d, size)
			}
		}
	}
}

// phase is how many steps of follow one lasts.
const phase = 3

// inverse is (m·mᵀ + c·I)⁻¹.
func inverse(m mat.Matrix, c float64) *mat.Dense {
	s := mul(m, m.T())
	n, _ := s.Dims()
	for i := range n {
		s.Set(i, i, s.At(i, i)+c)
	}
	var inv mat.Dense
	if err := inv.Inverse(s); err != nil {
		panic(err)
	}
	return &inv
}

func TestSGD(t *testing.T) {
	for _, u := range []SGD{{}, {Momentum: 0.9}, {Momentum: 0.9, Nesterov: true}} {
		if err := u.Check(); err != nil {
			t.Error(err)
		}
		p := newProblem(12, 9, 3, "random", 4)
		ma, mb := scaled(0, p.a), scaled(0, p.b)
		follow(t, u.Transform(0.1), p, 4, 1e-6, func(_ int, p *problem, ga, gb *mat.Dense) (*mat.Dense, *mat.Dense) {
			ma, mb = sum(scaled(u.Momentum, ma), ga), sum(scaled(u.Momentum, mb), gb)
			a, b := ma, mb
			if u.Nesterov {
				a, b = sum(ga, scaled(u.Momentum, ma)), sum(gb, scaled(u.Momentum, mb))
			}
			return sum(a, scaled(0.1, p.a)), sum(b, scaled(0.1, p.b))
		})
	}
	for _, u := range []SGD{{Momentum: 1}, {Momentum: -0.1}, {Momentum: math.NaN()}, {Nesterov: true}} {
		if u.Check() == nil {
			t.Errorf("%+v is accepted", u)
		}
	}
}

func TestLion(t *testing.T) {
	p := newProblem(12, 9, 3, "random", 4)
	ma, mb := scaled(0, p.a), scaled(0, p.b)
	one := func(m, g *mat.Dense) *mat.Dense {
		u := sum(scaled(0.9, m), scaled(1-0.9, g))
		u.Apply(func(_, _ int, x float64) float64 { return math.Copysign(1, x) }, u)
		m.Add(scaled(0.99, m), scaled(1-0.99, g))
		return u
	}
	follow(t, Lion{0.9, 0.99}.Transform(0.1), p, 4, 1e-6, func(_ int, p *problem, ga, gb *mat.Dense) (*mat.Dense, *mat.Dense) {
		return sum(one(ma, ga), scaled(0.1, p.a)), sum(one(mb, gb), scaled(0.1, p.b))
	})
}

// Of the moments nothing is kept at the start of a phase, and two of its
// updates are smaller.
func TestRestarts(t *testing.T) {
	p := newProblem(12, 9, 3, "random", 4)
	zero := func(m *mat.Dense) *mat.Dense { return scaled(0, m) }
	moments := [][2]*mat.Dense{{zero(p.a), zero(p.a)}, {zero(p.b), zero(p.b)}}
	follow(t, Restarts{Warmup: 2}.Transform(0.1), p, 7, 1e-5, func(step int, p *problem, ga, gb *mat.Dense) (*mat.Dense, *mat.Dense) {
		size, count := 1.0, (step-1)%phase+1
		switch step {
		case 4, 7:
			size = 1. / 3
			for _, m := range moments {
				m[0].Zero()
				m[1].Zero()
			}
		case 5:
			size = 2. / 3
		}
		a, b := adam(count, moments[0], ga), adam(count, moments[1], gb)
		return scaled(size, sum(a, scaled(0.1, p.a))), scaled(size, sum(b, scaled(0.1, p.b)))
	})
	all := descend(Restarts{Keep: 1}.Transform(0.1), p, 0.05, 4)
	equal(t, "what keeps all", all, descend(AdamW{}.Transform(0.1), p, 0.05, 4))
}

// PEFT's projection, its eps and its decay of the weight after the step.
func TestLoRAFAOfPEFT(t *testing.T) {
	const lr, decay = 0.05, 0.1 // lr is follow's
	p := newProblem(12, 9, 3, "random", 4)
	m, v := scaled(0, p.b), scaled(0, p.b)
	follow(t, LoRAFA{PEFT: true}.Transform(decay), p, 4, 1e-5, func(step int, p *problem, _, gb *mat.Dense) (*mat.Dense, *mat.Dense) {
		u := scaled(1/(p.s*p.s), mul(gb, inverse(p.a, 0)))
		c1, c2 := 1-math.Pow(0.9, float64(step)), 1-math.Pow(0.999, float64(step))
		u.Apply(func(i, j int, x float64) float64 {
			m.Set(i, j, 0.9*m.At(i, j)+0.1*x)
			v.Set(i, j, 0.999*v.At(i, j)+0.001*x*x)
			return m.At(i, j) / c1 * math.Sqrt(c2) / (math.Sqrt(v.At(i, j)) + 1e-6)
		}, u)
		return scaled(0, p.a), sum(u, scaled(decay, p.b), scaled(-decay*lr, u))
	})
}

func TestScaledGD(t *testing.T) {
	for _, damping := range []float64{0, 1e-6, 0.01, 4.5} {
		for _, r := range []int{1, 4} {
			u := ScaledGD{damping}
			follow(t, u.Transform(0.1), newProblem(24, 17, r, "random", 4), 3, 1e-5, func(_ int, p *problem, ga, gb *mat.Dense) (*mat.Dense, *mat.Dense) {
				return sum(mul(inverse(p.b.T(), damping), ga), scaled(0.1, p.a)), sum(mul(gb, inverse(p.a, damping)), scaled(0.1, p.b))
			})
		}
	}
	if (ScaledGD{-1}).Check() == nil || (ScaledAdamW{math.NaN()}).Check() == nil {
		t.Error("a damping of -1 or NaN is accepted")
	}
}

// Without damping the change of the weight is s²·(P_B·G + G·P_A), also where a
// factor lacks rank.
func TestScaledGDEquivalentGradient(t *testing.T) {
	each(t, func(t *testing.T, p *problem) {
		a, b := p.step(ScaledGD{}.Transform(0))
		want := scaled(p.s*p.s, sum(mul(projector(p.b), p.g), mul(p.g, projector(p.a.T()))))
		near(t, "s·(B·a + b·A)", p.equivalent(a, b), want, mat.Norm(p.g, 2))
	})
}

// With a damping that dwarfs the factors it is gradient descent at lr/damping.
func TestScaledGDDamped(t *testing.T) {
	p := newProblem(24, 17, 4, "random", 4)
	const damping = 1e6
	a, b := p.step(ScaledGD{damping}.Transform(0))
	ga, gb := p.step(SGD{}.Transform(0))
	near(t, "A", scaled(damping, a), ga, 10*mat.Norm(ga, 2)) // ‖BᵀB‖ is up to 1e-4 of the damping
	near(t, "B", scaled(damping, b), gb, 10*mat.Norm(gb, 2))
}

func TestScaledAdamW(t *testing.T) {
	p := newProblem(24, 17, 4, "random", 4)
	zero := func(m *mat.Dense) *mat.Dense { return scaled(0, m) }
	moments := [][2]*mat.Dense{{zero(p.a), zero(p.a)}, {zero(p.b), zero(p.b)}}
	follow(t, ScaledAdamW{0.01}.Transform(0.1), p, 4, 1e-4, func(step int, p *problem, ga, gb *mat.Dense) (*mat.Dense, *mat.Dense) {
		a := adam(step, moments[0], mul(inverse(p.b.T(), 0.01), ga))
		b := adam(step, moments[1], mul(gb, inverse(p.a, 0.01)))
		return sum(a, scaled(0.1, p.a)), sum(b, scaled(0.1, p.b))
	})
}

// adam is m̂/(√v̂ + 1e-8), with the moments that it renews.
func adam(step int, moments [2]*mat.Dense, g *mat.Dense) *mat.Dense {
	m, v := moments[0], moments[1]
	u := mat.DenseCopyOf(g)
	u.Apply(func(i, j int, x float64) float64 {
		m.Set(i, j, 0.9*m.At(i, j)+0.1*x)
		v.Set(i, j, 0.999*v.At(i, j)+0.001*x*x)
		return m.At(i, j) / (1 - math.Pow(0.9, float64(step))) / (math.Sqrt(v.At(i, j)/(1-math.Pow(0.999, float64(step)))) + 1e-8)
	}, g)
	return u
}

// The symmetric X splits the part that both factors can make evenly, X = 0
// leaves it to A, and both make the same g̃ as the closest.
func TestProSplits(t *testing.T) {
	each(t, func(t *testing.T, p *problem) {
		pb, pa, size := projector(p.b), projector(p.a.T()), mat.Norm(p.g, 2)
		both := mul(pb, p.g, pa)
		for x, share := range map[Selection]float64{Zero: 0, Symmetric: 0.5} {
			a, b := p.step(LoRAPro{Form: Gradient, X: x}.Transform(0))
			near(t, "s·B·a", scaled(p.s, mul(p.b, a)), sum(mul(pb, p.g), scaled(-share, both)), size)
			near(t, "s·b·A", scaled(p.s, mul(b, p.a)), sum(mul(p.g, pa), scaled(share-1, both)), size)
		}
		c := LoRAPro{Form: FactoredAdam, X: 3}
		if c.Check() == nil {
			t.Error("x = 3 is accepted")
		}
	})
}
