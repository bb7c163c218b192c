package probe

import (
	"math"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/internal/gram"
)

const free = "2r·d"

// ofFactor makes a metric of the factor A or B, which is there or why not.
func ofFactor(m Metric, name string, of func(f *adapter.Factor) float64) Metric {
	m.Gauge, m.Cost = Dependent, free
	missing := Undefined("there is no factor " + name)
	m.value = func(l *layer) (float64, error) {
		f := l.m.Factor(name)
		if f == nil {
			return 0, missing
		}
		return of(f), nil
	}
	return m
}

// ofStep makes a metric of a trained factor as it was before the step and is
// now.
func ofStep(m Metric, name string, of func(f *saved) (float64, error)) Metric {
	m.Gauge, m.Cost = Dependent, free
	missing := Undefined("there is no trained factor " + name)
	m.value = func(l *layer) (float64, error) {
		f := l.trained(name)
		switch {
		case f == nil:
			return 0, missing
		case !l.remembered:
			return 0, noStep
		}
		return of(f)
	}
	return m
}

func norm(f *adapter.Factor) float64 { return math.Sqrt(sumSquares(f.Floats())) }

func gradNorm(f *saved) (float64, error) {
	if len(f.grad) == 0 {
		return 0, noGradient
	}
	return math.Sqrt(sumSquares(f.grad)), nil
}

// stepNorm returns the norm of what the step changed.
func (f *saved) stepNorm() (float64, error) {
	if len(f.value) == 0 {
		return 0, notAsked
	}
	return math.Sqrt(sumSquares(f.change())), nil
}

func relativeStep(f *saved) (float64, error) {
	d, err := f.stepNorm()
	if err != nil {
		return 0, err
	}
	return over(d, math.Sqrt(sumSquares(f.value)))
}

var (
	normA     = ofFactor(Metric{Name: "norm_a", Definition: "‖A‖", Unit: "weight", Range: "[0, ∞)", Rescaling: Unscaled, Tier: 0, Aggregate: RootSumSquares}, "A", norm)
	normB     = ofFactor(Metric{Name: "norm_b", Definition: "‖B‖", Unit: "weight", Range: "[0, ∞)", Rescaling: Unscaled, Tier: 0, Aggregate: RootSumSquares}, "B", norm)
	gradNormA = ofStep(Metric{Name: "grad_norm_a", Definition: "‖gA‖", Unit: "loss/weight", Range: "[0, ∞)", Rescaling: Linear, Tier: 0, Aggregate: RootSumSquares}, "A", gradNorm)
	gradNormB = ofStep(Metric{Name: "grad_norm_b", Definition: "‖gB‖", Unit: "loss/weight", Range: "[0, ∞)", Rescaling: Linear, Tier: 0, Aggregate: RootSumSquares}, "B", gradNorm)

	stepNormA = ofStep(Metric{Name: "step_norm_a", Definition: "‖dA‖, dA what the step changed of A", Unit: "weight", Range: "[0, ∞)", Rescaling: Unscaled, Tier: 0, Aggregate: RootSumSquares}, "A", (*saved).stepNorm)
	stepNormB = ofStep(Metric{Name: "step_norm_b", Definition: "‖dB‖", Unit: "weight", Range: "[0, ∞)", Rescaling: Unscaled, Tier: 0, Aggregate: RootSumSquares}, "B", (*saved).stepNorm)

	relativeStepA = ofStep(Metric{Name: "relative_step_a", Definition: "‖dA‖/‖A‖, A before the step", Source: "arXiv 2402.12354", Unit: "1", Range: "[0, ∞)", Rescaling: Unscaled, Tier: 1, Aggregate: Mean}, "A", relativeStep)
	relativeStepB = ofStep(Metric{Name: "relative_step_b", Definition: "‖dB‖/‖B‖, B before the step", Source: "arXiv 2402.12354", Unit: "1", Range: "[0, ∞)", Rescaling: Unscaled, Tier: 1, Aggregate: Mean}, "B", relativeStep)
)

// squares are the Gram matrices of the trained factors A and B after the step,
// and what they come to.
type squares struct {
	a, b                   []float64 // empty where not trained
	conditionA, conditionB float64
	sharpA, sharpB         float64 // s·σ₁
	components             []float64
}

func (l *layer) grams() *squares {
	s, _ := l.squares.get(l.p.tick, func(s *squares) error {
		s.a, s.b = s.a[:0], s.b[:0]
		w := l.work
		if f := l.trained("A"); f != nil {
			n := f.f.Rows()
			s.a = gram.Resize(s.a, n*n)
			gram.Gram(s.a, gram.Rows{N: n, Dim: f.f.Cols(), Data: f.f.Floats()})
			s.conditionA, s.sharpA = w.spectrum.Condition(n, s.a), math.Abs(l.s)*w.spectrum.OfFactor(n, s.a)[0]
		}
		if f := l.trained("B"); f != nil {
			n := f.f.Cols()
			w.q, s.b = gram.Resize(w.q, len(f.f.Floats())), gram.Resize(s.b, n*n)
			gram.Transpose(w.q, f.f.Floats(), f.f.Rows(), n)
			gram.Gram(s.b, gram.Rows{N: n, Dim: f.f.Rows(), Data: w.q})
			s.conditionB, s.sharpB = w.spectrum.Condition(n, s.b), math.Abs(l.s)*w.spectrum.OfFactor(n, s.b)[0]
		}
		return nil
	})
	return s
}

// both is the Gram matrices of two trained factors of one rank.
func (l *layer) both() (*squares, error) {
	s := l.grams()
	switch {
	case len(s.a) == 0:
		return s, noFactorA
	case len(s.b) == 0:
		return s, noFactorB
	case len(s.a) != len(s.b):
		return s, notFree
	}
	return s, nil
}

// gramBalance returns BᵀB − A·Aᵀ in the scratch t.
func (l *layer) gramBalance() ([]float64, error) {
	s, err := l.both()
	if err != nil {
		return nil, err
	}
	w := l.work
	w.t = gram.Resize(w.t, len(s.a))
	for i, x := range s.b {
		w.t[i] = x - s.a[i]
	}
	return w.t, nil
}

// beginBalance keeps the balance at the start.
func (l *layer) beginBalance() {
	l.squares.tick = -1
	if d, err := l.gramBalance(); err == nil {
		l.balance = append([]float64(nil), d...)
	}
	l.squares.tick = -1
}

func rootSum(x []float64) float64 { return math.Sqrt(gram.Dot(x, x)) }

const gramCost = "2r²·d + 10r³"

// ofGrams makes a metric of the Gram matrices.
func ofGrams(m Metric, of func(l *layer, s *squares) (float64, error)) Metric {
	m.Gauge, m.Cost, m.Tier = Dependent, gramCost, 1
	m.value = func(l *layer) (float64, error) { return of(l, l.grams()) }
	return m
}

var (
	conditionA = ofGrams(Metric{Name: "condition_a", Definition: "σ₁/σ_r of A; infinite below 1e-5·σ₁, of a factor of zeros not defined", Unit: "1", Range: "[1, ∞]", Rescaling: Unscaled, Aggregate: Largest},
		func(_ *layer, s *squares) (float64, error) { return condition(s.conditionA, s.a, noFactorA) })
	conditionB = ofGrams(Metric{Name: "condition_b", Definition: "σ₁/σ_r of B; infinite below 1e-5·σ₁, of a factor of zeros not defined", Unit: "1", Range: "[1, ∞]", Rescaling: Unscaled, Aggregate: Largest},
		func(_ *layer, s *squares) (float64, error) { return condition(s.conditionB, s.b, noFactorB) })
	sharpnessA = ofGrams(Metric{Name: "sharpness_proxy_a", Definition: "s·σ₁(B), whose square the curvature in A scales with", Source: "arXiv 2602.04998", Unit: "weight", Range: "[0, ∞)", Rescaling: Linear, Aggregate: Largest},
		func(_ *layer, s *squares) (float64, error) { return s.sharpB, have(s.b, noFactorB) })
	sharpnessB = ofGrams(Metric{Name: "sharpness_proxy_b", Definition: "s·σ₁(A), whose square the curvature in B scales with", Source: "arXiv 2602.04998", Unit: "weight", Range: "[0, ∞)", Rescaling: Linear, Aggregate: Largest},
		func(_ *layer, s *squares) (float64, error) { return s.sharpA, have(s.a, noFactorA) })
	balance = ofGrams(Metric{Name: "balance", Definition: "‖BᵀB − A·Aᵀ‖, which gradient flow leaves as it is", Source: "arXiv 1806.00900", Unit: "weight²", Range: "[0, ∞)", Rescaling: Unscaled, Aggregate: RootSumSquares},
		func(l *layer, _ *squares) (float64, error) {
			d, err := l.gramBalance()
			return rootSum(d), err
		})
	balanceDrift = ofGrams(Metric{Name: "balance_drift", Definition: "‖BᵀB − A·Aᵀ − (BᵀB − A·Aᵀ at the start)‖: 0 under gradient flow with equal rates", Source: "arXiv 1806.00900", Unit: "weight²", Range: "[0, ∞)", Rescaling: Unscaled, Aggregate: RootSumSquares},
		func(l *layer, _ *squares) (float64, error) {
			d, err := l.gramBalance()
			switch {
			case err != nil:
				return 0, err
			case len(l.balance) != len(d):
				return 0, noStart
			}
			var sum float64
			for i, x := range d {
				sum += (x - l.balance[i]) * (x - l.balance[i])
			}
			return math.Sqrt(sum), nil
		})
)

// condition is that of a factor of the Gram matrix s.
func condition(v float64, s []float64, missing Undefined) (float64, error) {
	if len(s) > 0 && gram.Dot(s, s) == 0 {
		return 0, zeroOverZero
	}
	return v, have(s, missing)
}

func have(s []float64, missing Undefined) error {
	if len(s) == 0 {
		return missing
	}
	return nil
}

// componentUsage is what each component of the adapter alone puts into the weight.
// It tells of the components only as far as a method settles them.
var componentUsage = Metric{
	Name: "component_", Many: true, Definition: "s·‖b_i‖·‖a_i‖, b_i column i of B and a_i row i of A: the norm of that component of s·B·A",
	Source: "arXiv 2303.10512, section 3.2", Unit: "weight", Range: "[0, ∞)", Gauge: Dependent, Rescaling: Linear, Cost: gramCost, Tier: 1,
	values: func(l *layer) ([]float64, error) {
		s, err := l.both()
		switch {
		case err != nil:
			return nil, err
		case !l.free:
			return nil, notFree
		}
		r := l.m.Factor("A").Rows()
		s.components = s.components[:0]
		for k := range r {
			s.components = append(s.components, math.Abs(l.s)*math.Sqrt(s.a[k*r+k]*s.b[k*r+k]))
		}
		return s.components, nil
	},
}
