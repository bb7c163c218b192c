package update

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/nn/optim"
)

// descend takes steps on ½·‖s·B·A − T‖² from a problem's factors, where T is
// its g, and returns the change of s·B·A.
func descend(rule optim.Transform, p *problem, lr float64, steps int) *mat.Dense {
	q := &problem{s: p.s, a: p.a, b: p.b}
	weight := func() *mat.Dense { return scaled(q.s, mul(q.b, q.a)) }
	q.g = sum(weight(), scaled(-1, p.g))
	g := q.group() // rounds the factors
	q.backward(g)
	start := weight()
	o := optim.New(rule, []*optim.Group{g})
	for step := range steps {
		o.Phase = step + 1
		q.g = sum(weight(), scaled(-1, p.g))
		q.backward(g)
		o.Step(lr)
		q.backward(g)
	}
	return sum(weight(), scaled(-1, start))
}

// deviation is the distance of two changes, relative to the first.
func deviation(x, y *mat.Dense) float64 {
	return mat.Norm(sum(x, scaled(-1, y)), 2) / mat.Norm(x, 2)
}

// split returns the problem with the same product as B·M and M⁻¹·A.
func (p *problem) split(seed uint64) *problem {
	r, _ := p.a.Dims()
	rng := rand.New(rand.NewPCG(seed, 3))
	m, inverse := mat.NewDense(r, r, nil), new(mat.Dense)
	for i := range r {
		for j := range r {
			m.Set(i, j, 0.3*rng.NormFloat64())
		}
		m.Set(i, i, m.At(i, i)+2)
	}
	if err := inverse.Inverse(m); err != nil {
		panic(err)
	}
	return &problem{s: p.s, a: mul(inverse, p.a), b: mul(p.b, m), g: p.g}
}

// Six steps change the weight by the same for every split of the product B·A,
// or by something else: rules are invariant or they are not.
func TestInvariance(t *testing.T) {
	rite := LoRARITE{Beta1: 0.9, Beta2: 0.999, Eps: 1e-6}
	escaped, skip, clip := rite, rite, rite
	escaped.EscapedMass, skip.Skip, clip.Clip = true, 2.8, 10 // some steps
	const adaptive, plain = 0.05, 0.02
	for _, c := range []struct {
		name      string
		rule      optim.Transform
		lr        float64
		invariant bool
	}{
		{"LoRA-Pro, X = 0", LoRAPro{Form: Gradient, X: Zero}.Transform(0), plain, true},
		{"LoRA-Pro, symmetric", LoRAPro{Form: Gradient, X: Symmetric}.Transform(0), plain, true},
		{"LoRA-Pro, full Adam, X = 0", LoRAPro{X: Zero}.Transform(0), adaptive, true},
		{"ScaledGD", ScaledGD{}.Transform(0), plain, true},
		{"LoFT", LoFT{Beta1: 0.9, Beta2: 0.999, Eps: 0.01}.Transform(0), adaptive, true}, // of a small √v float32 leaves little
		{"AltLoRA", AltLoRA{Beta: 0.9}.Transform(0), 0.2, true},
		{"AltLoRA, damped", AltLoRA{Beta: 0.9, Damping: 1}.Transform(0), 0.2, false},
		{"Muon in the tangent space", TangentMuon{Momentum: 0.95, Nesterov: true, Steps: 5}.Transform(0), adaptive, true},
		{"LoRA-RITE", rite.Transform(0), adaptive, true},
		{"LoRA-RITE with escaped mass", escaped.Transform(0), adaptive, true},
		{"LoRA-RITE that skips", skip.Transform(0), adaptive, true},
		{"LoRA-RITE that clips", clip.Transform(0), adaptive, true},
		{"LoFT that clips", LoFT{Beta1: 0.9, Beta2: 0.999, Eps: 0.01, Clip: 10}.Transform(0), adaptive, true},

		{"LoRA-Pro, closest", LoRAPro{Form: Gradient}.Transform(0), 0.2, false}, // to first order it is
		{"LoRA-Pro, factored Adam", LoRAPro{Form: FactoredAdam}.Transform(0), adaptive, false},
		{"ScaledGD, damped", ScaledGD{1}.Transform(0), plain, false},
		{"LoFT, damped", LoFT{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Damping: 1}.Transform(0), adaptive, false},
		{"ScaledAdamW", ScaledAdamW{}.Transform(0), adaptive, false},
		{"SGD", SGD{}.Transform(0), plain, false},
		{"momentum", SGD{Momentum: 0.9}.Transform(0), plain, false},
		{"AdamW", AdamW{}.Transform(0), adaptive, false},
		{"LoRA+", LoRAPlus{Ratio: 16}.Transform(0), 0.01, false},
		{"Lion", Lion{0.9, 0.99}.Transform(0), adaptive, false},
		{"Muon", Muon{Momentum: 0.95, Steps: 5}.Transform(0), adaptive, false},
		{"AdaLomo", AdaLomo{}.Transform(0), adaptive, false},
	} {
		for _, r := range []int{1, 4} {
			if c.name == "AdaLomo" && r == 1 {
				continue // steps in proportion to the factors' sizes make one of B·A
			}
			p := newProblem(24, 17, r, "random", 21)
			d := deviation(descend(c.rule, p, c.lr, 6), descend(c.rule, p.split(9), c.lr, 6))
			// Float32 factors and moments over six steps.
			if c.invariant && !(d < 2e-5) || !c.invariant && !(d > 0.02) {
				t.Errorf("%s, r = %d: the change of the weight differs by %.3g between two splits: invariant must be %t", c.name, r, d, c.invariant)
			}
		}
	}
}

// Gradient descent changes the balance A·Aᵀ − BᵀB by lr²·(gA·gAᵀ − gBᵀ·gB) and
// no more, for gA·Aᵀ = Bᵀ·gB; Adam does not keep it.
func TestBalance(t *testing.T) {
	const lr = 1e-3
	change := func(p *problem, rule optim.Transform) *mat.Dense {
		balance := func(a, b *mat.Dense) *mat.Dense { return sum(mul(a, a.T()), scaled(-1, mul(b.T(), b))) }
		a, b := p.step(rule)
		return sum(balance(sum(p.a, scaled(-lr, a)), sum(p.b, scaled(-lr, b))), scaled(-1, balance(p.a, p.b)))
	}
	for _, r := range []int{1, 4} {
		p := newProblem(24, 17, r, "random", 21)
		ga, gb := p.gradients()
		near(t, "gA·Aᵀ", mul(ga, p.a.T()), mul(p.b.T(), gb), mat.Norm(ga, 2))
		second := scaled(lr*lr, sum(mul(ga, ga.T()), scaled(-1, mul(gb.T(), gb))))
		first := lr * (mat.Norm(mul(ga, p.a.T()), 2) + mat.Norm(mul(p.b.T(), gb), 2))
		near(t, "the change of the balance", change(p, SGD{}.Transform(0)), second, first)
		if d := mat.Norm(change(p, AdamW{}.Transform(0)), 2); d < 0.01*lr*mat.Norm(p.a, 2) {
			t.Errorf("r = %d: a step of AdamW changes the balance by %v only", r, d)
		}
	}
}

// The scaling, the size of the start and the learning rate are one number too
// many: s·c with factors divided by √c is the same run at lr/c by gradient
// descent, and at lr/√c by Adam.
func TestScaleCollapse(t *testing.T) {
	const c = 16.0 // a power of four: exact
	adam := optim.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-30}
	for _, k := range []struct {
		name     string
		rule     optim.Transform
		lr, then float64
		same     bool
	}{
		{"SGD", SGD{}.Transform(0), 0.02, 0.02 / c, true},
		{"momentum", SGD{Momentum: 0.9}.Transform(0), 0.005, 0.005 / c, true},
		{"Adam", adam, 0.05, 0.05 / math.Sqrt(c), true},
		{"Lion", Lion{0.9, 0.99}.Transform(0), 0.05, 0.05 / math.Sqrt(c), true},
		{"SGD at Adam's rate", SGD{}.Transform(0), 0.02, 0.02 / math.Sqrt(c), false},
		{"Adam at SGD's rate", adam, 0.05, 0.05 / c, false},
	} {
		p := newProblem(24, 17, 4, "random", 21)
		q := &problem{s: c * p.s, a: scaled(1/math.Sqrt(c), p.a), b: scaled(1/math.Sqrt(c), p.b), g: p.g}
		d := deviation(descend(k.rule, p, k.lr, 8), descend(k.rule, q, k.then, 8))
		if k.same && !(d < 1e-5) || !k.same && !(d > 0.1) {
			t.Errorf("%s: the changes of the weight differ by %.3g: the same must be %t", k.name, d, k.same)
		}
	}
}

// Whatever B does while A stays, the change of the weight is in the row space
// of A.
func TestLoRAFAKeepsTheRowSpace(t *testing.T) {
	for _, u := range []LoRAFA{{}, {Project: true}, {PEFT: true}} {
		p := newProblem(24, 17, 4, "zero", 21)
		d := descend(u.Transform(0), p, 0.05, 6)
		near(t, "ΔW·P_A", mul(d, projector(p.a.T())), d, mat.Norm(d, 2))
	}
}
