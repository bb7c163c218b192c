package initial_test

import (
	"slices"
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/nn"
	"gonum.org/v1/gonum/mat"
)

// starts are all initializers that fill A and B.
var starts = []adapter.Initializer{
	initial.Kaiming{}, initial.Gaussian{}, initial.Gaussian{Law: initial.FanIn}, initial.Gaussian{Law: initial.Xavier},
	initial.Orthogonal{}, initial.Orthonormal{}, initial.NonZero{A: 1, B: 1}, initial.NonZero{A: 1, B: 1, Offset: true},
	initial.SVD{}, initial.Truncate{}, initial.SVD{Iterations: 4}, initial.SVD{Smallest: true}, initial.QR{}, initial.Minor{},
	initial.Gradient{Gamma: 16}, initial.Gradient{Gamma: 16, Direction: initial.Random}, initial.Gradient{Gamma: 16, Scale: initial.Weights, PEFT: true},
	initial.Descent{Gamma: 128}, initial.Descent{Gamma: 128, Offset: true},
	initial.Null{}, initial.Quantized{Rounds: 2}, initial.Quantized{Rounds: 2, Int8: true}, initial.Projected{Step: 0.05}, initial.Projected{Step: 0.05, Ascend: true},
	initial.FineTuned{LR: 1}, initial.FineTuned{LR: 1, Factory: true},
	initial.Principal{}, initial.Principal{Whiten: true}, initial.Principal{Scale: true},
	initial.Oriented{Damping: 0.01}, initial.Oriented{Damping: 0.01, Preserve: true, Scaled: true},
	initial.DataAware{Gamma: 1024, Bias: 1, Variance: 0.03, Population: 1000, Damping: 1e-6},
}

// The function is the base's, but where the start says that it is not; and what
// is taken out of the base is what the factors put in.
func TestFunctionAtTheStart(t *testing.T) {
	for _, init := range starts {
		for _, shape := range shapes {
			m, _ := adapted(t, shape, init)
			a, b := factors(m)
			w := scaled(float64(m.Scaling), product(b, a))
			w.Add(w, dense(m.Out, m.In, m.Base.Floats()))
			off := mat.Norm(minus(w, dense(m.Out, m.In, m.W0())), 2)
			if moved := slices.Contains(init.Provides(), adapter.Moved); moved != (off > 1e-4) {
				t.Errorf("%T%+v: says that it moves the function: %t; it is off by %.2g", init, init, moved, off)
			}
			if start, _ := m.Start(); start != nil && !slices.Contains(init.Needs(), adapter.Additive) {
				t.Errorf("%T%+v changes the base, and does not need an additive update", init, init)
			}
		}
	}
}

// The values depend on the seed and the map's name alone, and a start of which
// nothing is drawn does not depend on the seed.
func TestSeeds(t *testing.T) {
	for _, init := range starts {
		of := func(seed uint64) []float32 {
			m, _ := seeded(t, shapes[0], init, seed)
			return slices.Concat(m.Factor("A").Floats(), m.Factor("B").Floats())
		}
		if !slices.Equal(of(1), of(1)) {
			t.Errorf("%T%+v: the same seed gives another start", init, init)
		}
		drawn := false
		switch i := init.(type) {
		case initial.Kaiming, initial.Gaussian, initial.Orthogonal, initial.Orthonormal, initial.NonZero, initial.Truncate, initial.Projected:
			drawn = true
		case initial.SVD:
			drawn = i.Iterations > 0
		case initial.Gradient:
			drawn = i.Direction == initial.Random
		}
		if slices.Equal(of(1), of(2)) == drawn {
			t.Errorf("%T%+v: is drawn: %t; seeds make no difference: %t", init, init, drawn, drawn)
		}
	}
}

// A wider set of maps changes none of their starts.
func TestMapsAreIndependent(t *testing.T) {
	for _, init := range starts {
		alone, _ := adapted(t, shapes[0], init)
		two := make([]*adapter.Map, 2)
		for i, name := range []string{"other", "lin"} {
			m, err := adapter.New(nn.NewLinear(name, alone.Out, alone.In, alone.W0()), 0, 1, delta.LoRA{}, nil, rank, alpha)
			if err != nil {
				t.Fatal(err)
			}
			two[i] = m
		}
		_, g := adapted(t, shapes[0], initial.Kaiming{})
		x := moments(activations(alone.In))
		x.Output = outputs(alone.Out)
		err := init.Init(two, adapter.Inputs{
			Rand: streams(1), Gradient: func(*adapter.Map) []float32 { return g },
			Moments: func(*adapter.Map) *adapter.Moments { return x },
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"A", "B"} {
			if !slices.Equal(two[1].Factor(name).Floats(), alone.Factor(name).Floats()) {
				t.Errorf("%T%+v: %s depends on another map", init, init, name)
			}
		}
	}
}
