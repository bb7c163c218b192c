package update

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/nn/optim"
)

// The two factors move in turn, each by its momentum in the basis of now.
func TestAltLoRA(t *testing.T) {
	for _, u := range []AltLoRA{{Beta: 0.9, Damping: 1e-6}, {Beta: 0.5, Damping: 0.1}, {Damping: 1e-6}} {
		if err := u.Check(); err != nil {
			t.Error(err)
		}
		for _, r := range []int{1, 4} {
			p := newProblem(24, 17, r, "random", 4)
			ma, mb := scaled(0, p.a), scaled(0, p.b)
			lastA, lastB := scaled(0, p.a), scaled(0, p.b)
			follow(t, u.Transform(0.1), p, 6, 1e-5, func(step int, p *problem, ga, gb *mat.Dense) (*mat.Dense, *mat.Dense) {
				a, b := scaled(0, ga), scaled(0, gb)
				c := 1 / (p.s * p.s)
				if step%2 == 1 {
					inv := inverse(p.a, u.Damping)
					mb = sum(scaled(u.Beta, mul(mb, lastA, p.a.T(), inv)), scaled((1-u.Beta)*c, mul(gb, inv)))
					lastA, b = mat.DenseCopyOf(p.a), mb
				} else {
					inv := inverse(p.b.T(), u.Damping)
					ma = sum(scaled(u.Beta, mul(inv, p.b.T(), lastB, ma)), scaled((1-u.Beta)*c, mul(inv, ga)))
					lastB, a = mat.DenseCopyOf(p.b), ma
				}
				return sum(a, scaled(0.1, p.a)), sum(b, scaled(0.1, p.b))
			})
		}
	}
	for _, u := range []AltLoRA{{Beta: 1}, {Beta: math.NaN()}, {Damping: -1}} {
		if u.Check() == nil {
			t.Errorf("%+v is accepted", u)
		}
	}
}

// Without momentum and damping the weight moves by G·P_A and P_B·G in turn.
func TestAltLoRAEquivalentGradient(t *testing.T) {
	each(t, func(t *testing.T, p *problem) {
		g := p.group()
		o := optim.New(AltLoRA{}.Transform(0), []*optim.Group{g})
		size := mat.Norm(p.g, 2)
		o.Step(0)
		a, b := updates(g)
		near(t, "the first step", p.equivalent(a, b), mul(p.g, projector(p.a.T())), size)
		o.Step(0)
		a, b = updates(g)
		near(t, "the second step", p.equivalent(a, b), mul(projector(p.b), p.g), size)
	})
}

// LoRAFactory's count: of two maps, B of the second is at the steps 2, 4, 6 … when
// A is at 1, 2, 3, and that of the first at 1, 3, 5 ….
func TestProOfLoRAFactory(t *testing.T) {
	one, other := newProblem(24, 17, 4, "random", 3), newProblem(24, 17, 4, "random", 3)
	first, second := one.group(), other.group()
	second.Name = "second"
	u := LoRAPro{Form: FactoredAdam, Factory: true, X: Zero}
	o := optim.New(u.Transform(0), []*optim.Group{first, second})
	zero := func(m *mat.Dense) [2]*mat.Dense { return [2]*mat.Dense{scaled(0, m), scaled(0, m)} }
	ma, mb := [2][2]*mat.Dense{zero(one.a), zero(one.a)}, [2][2]*mat.Dense{zero(one.b), zero(one.b)}
	const s = 2 // whatever the model's is
	for step := 1; step <= 4; step++ {
		o.Step(0.01)
		for l, c := range []struct {
			p *problem
			g *optim.Group
		}{{one, first}, {other, second}} {
			p := c.p
			ga, gb := p.gradients()
			invA, invB := inverse(p.a, 0), inverse(p.b.T(), 0)
			a := scaled(1./s/s, mul(invB, ga))
			b := scaled(1./s/s, sum(mul(gb, invA), scaled(-1, mul(projector(p.b), gb, invA))))
			a, b = adam(step, ma[l], a), adam(2*(step-1)+l+1, mb[l], b)
			haveA, haveB := updates(c.g)
			near(t, "A", haveA, a, 10*mat.Norm(a, 2)) // Adam divides by small moments
			near(t, "B", haveB, b, 10*mat.Norm(b, 2))
			p.backward(c.g)
		}
	}
	for _, bad := range []LoRAPro{{Factory: true}, {Form: FactoredAdam, Factory: true, X: Symmetric}} {
		if bad.Check() == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}
