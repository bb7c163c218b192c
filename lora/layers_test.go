package lora_test

import (
	"math"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/optim"
)

// layers says which of PEFT's variants is which composition. Those without a
// base of their own start from W0.
var layers = []struct {
	variant string
	recipe  lora.Recipe
}{
	{"lora", lora.Recipe{}},
	{"lora_gaussian", lora.Recipe{Method: "lora-gaussian"}},
	{"rslora", lora.Recipe{Method: "rslora"}},
	{"dora", lora.Recipe{Method: "dora"}},
	{"rslora_dora", lora.Recipe{Method: "dora", Options: map[string]float64{"rank-root": 1}}},
	{"vera", lora.Recipe{Method: "vera"}},
	{"hira", lora.Recipe{Method: "hira"}},
	{"adalora", lora.Recipe{Method: "adalora", Rank: "none"}},
	{"pissa", lora.Recipe{Method: "pissa"}},
	{"pissa_niter_4", lora.Recipe{Method: "pissa", Options: map[string]float64{"iterations": 4}}},
	{"pissa_rslora", lora.Recipe{Delta: "rslora", Init: "pissa"}},
	{"pissa_dora", lora.Recipe{Delta: "dora", Init: "pissa"}},
	{"olora", lora.Recipe{Method: "olora"}},
	{"loraga_ArB2r_stable", lora.Recipe{Method: "lora-ga", Options: map[string]float64{"peft": 1}}},
	{"loraga_A2rBr_stable", lora.Recipe{Method: "lora-ga", Options: map[string]float64{"peft": 1, "direction": 1}}},
	{"loraga_ArBr_stable", lora.Recipe{Method: "lora-ga", Options: map[string]float64{"peft": 1, "direction": 2}}},
	{"loraga_ArB2r_gd_scale", lora.Recipe{Method: "lora-ga", Options: map[string]float64{"peft": 1, "scale": 1}}},
	{"loraga_ArB2r_unit", lora.Recipe{Method: "lora-ga", Options: map[string]float64{"peft": 1, "scale": 3}}},
	{"mica", lora.Recipe{Method: "mica"}},
	{"corda_ipm", lora.Recipe{Method: "corda-ipm", Options: map[string]float64{"scaled": 1}}},
	{"corda_kpm", lora.Recipe{Method: "corda-kpm", Options: map[string]float64{"scaled": 1}}},
}

// inject adapts the recorded layer as PEFT's configuration has it.
func inject(t *testing.T, r *recording, recipe lora.Recipe) *lora.Set {
	t.Helper()
	method, err := lora.Compose(recipe)
	if err != nil {
		t.Fatal(err)
	}
	l := r.layer()
	moments, err := lora.CalibrateMoments(l, nil, 1, func(int) error {
		x := r.get(r.init, "calib.x")
		if x == nil {
			x = r.get(r.tensors, "x") // of a start that asks for none
		}
		l.lin.Forward(&nn.Context{Tape: ag.NewTape()}, ag.NewVariable(len(x)/l.lin.In, l.lin.In, x))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	set, err := lora.Inject(l, method, lora.Options{
		Rank: r.Shape.R, Alpha: r.Shape.Alpha, Seed: 1,
		Gradient: func(*adapter.Map) []float32 { return r.get(r.init, "calib.grad_W") }, Moments: moments.Of,
	})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// fill sets the factors and the base to the recorded ones.
func fill(r *recording, m *adapter.Map) {
	for _, t := range m.Delta.(adapter.Stored).PEFT().Tensors {
		copy(m.Factor(t.Factor).Floats(), r.factor(r.tensors, "param.", t.Name))
	}
	if a, _ := m.Start(); a != nil {
		m.Base = ag.NewWeight(m.Out, m.In, r.get(r.tensors, "param.lin.base_layer.weight"))
	}
}

// PEFT's tolerances with itself are 2e-6 between a merged and an unmerged
// layer; another order of the sums doubles that a few times.
const abs, rel = 1e-5, 1e-4

func TestLayersOfPEFT(t *testing.T) {
	for _, shape := range shapes {
		for _, l := range layers {
			t.Run(shape+"/"+l.variant, func(t *testing.T) {
				r := record(t, shape, l.variant)
				set := inject(t, r, l.recipe)
				m := set.Maps[0]
				fill(r, m)

				c := &nn.Context{Tape: ag.NewTape()}
				x := ag.NewParameter(r.Shape.N, m.In, r.get(r.tensors, "x"))
				dy := ag.NewVariable(r.Shape.N, m.Out, r.get(r.tensors, "dy"))
				y := m.Linear.Forward(c, x)
				near(t, "y", ag.Floats(y), r.get(r.tensors, "y"), abs, rel)
				if err := c.Backward(total(c.Tape, c.Run(ag.NewMul(y, dy)), 1)); err != nil {
					t.Fatal(err)
				}
				near(t, "dx", x.GradFloats(), r.get(r.tensors, "dx"), abs, rel)
				for _, s := range m.Delta.(adapter.Stored).PEFT().Tensors {
					if f := m.Factor(s.Factor); f.Trained {
						near(t, "gradient of "+f.Name, f.GradFloats(), r.factor(r.tensors, "grad.", s.Name), abs, rel)
					}
				}

				w, err := m.Merged()
				if err != nil {
					t.Fatal(err)
				}
				near(t, "merged weight", w, r.get(r.tensors, "merged.weight"), abs, rel)
				train(t, r, set)
			})
		}
	}
}

// train takes the recorded 20 steps of AdamW and compares losses and factors.
func train(t *testing.T, r *recording, set *lora.Set) {
	t.Helper()
	m := set.Maps[0]
	fill(r, m)
	c := &nn.Context{Tape: ag.NewTape()}
	x := ag.NewVariable(r.Shape.N, m.In, r.get(r.tensors, "x"))
	negative := ag.NewVariable(r.Shape.N, m.Out, r.get(r.tensors, "target"))
	for i := range negative.Floats() {
		negative.Floats()[i] *= -1
	}
	d := c.Run(ag.NewAdd(m.Linear.Forward(c, x), negative))
	loss := total(c.Tape, c.Run(ag.NewMul(d, d)), 1/float32(r.Shape.N*m.Out))
	o := optim.New(set.Method.Update.Transform(0.01), set.Groups())
	for step := range 20 {
		if step > 0 {
			c.Replay()
		}
		have, want := float64(ag.Floats(loss)[0]), r.Losses[step]
		if math.Abs(have-want) > 1e-4*want { // Adam makes steps of any gradient, however small and rounded
			t.Errorf("loss at step %d is %v, want %v", step, have, want)
			return
		}
		o.ZeroGrad()
		if err := c.Backward(loss); err != nil {
			t.Fatal(err)
		}
		o.Step(1e-2)
	}
	for _, s := range m.Delta.(adapter.Stored).PEFT().Tensors {
		if f := m.Factor(s.Factor); f.Trained {
			// 20 steps of 1e-2: a hundredth of a step.
			near(t, "final "+f.Name, f.Floats(), r.factor(r.tensors, "final.", s.Name), 1e-4, rel)
		}
	}
}

func TestStartsOfPEFT(t *testing.T) {
	for _, shape := range shapes {
		for _, l := range layers {
			t.Run(shape+"/"+l.variant, func(t *testing.T) {
				r := record(t, shape, l.variant)
				m := inject(t, r, l.recipe).Maps[0]
				start, _ := m.Start()
				if start == nil {
					same(t, r, m)
				} else {
					offset(t, r, m)
				}
			})
		}
	}
}

// same compares what does not depend on the random generator: zero factors
// are zero, constant ones the same, and of random ones the second moment is
// within five standard deviations of the law that both are drawn from.
func same(t *testing.T, r *recording, m *adapter.Map) {
	t.Helper()
	for _, s := range m.Delta.(adapter.Stored).PEFT().Tensors {
		f := m.Factor(s.Factor)
		want := r.factor(r.init, "init.", s.Name)
		if spread(want) == 0 || f.Name == "M" {
			near(t, f.Name, f.Floats(), want, 1e-6, 1e-6)
			continue
		}
		n := float64(len(want))
		have, recorded := spread(f.Floats()), spread(want)
		// The variance of a sample of a normal law is known to √(2/n); both
		// samples vary.
		if ratio := have / recorded; math.Abs(math.Log(ratio)) > 5*math.Sqrt(4/n) {
			t.Errorf("%s has variance %.4g, PEFT's %.4g, of %v values", f.Name, have, recorded, n)
		}
	}
}

// spread is the variance.
func spread(x []float32) float64 {
	var sum, squares float64
	for _, v := range x {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	n := float64(len(x))
	return max(0, squares/n-sum*sum/n/n)
}

// offset compares a start that was taken out of the base: base and factors
// give W0, and each component of a factor is PEFT's up to its sign.
func offset(t *testing.T, r *recording, m *adapter.Map) {
	t.Helper()
	a, b := m.Factor("A").Floats(), m.Factor("B").Floats()
	w, err := m.Merged()
	if err != nil {
		t.Fatal(err)
	}
	near(t, "base + s·B·A", w, r.get(r.tensors, "W0"), 1e-6, 1e-6)
	if r.Config["init_lora_weights"] == "pissa_niter_4" {
		return // random, and PEFT's has fewer columns to converge with
	}
	wantA, wantB := r.factor(r.init, "init.", "lora_A.weight"), r.factor(r.init, "init.", "lora_B.weight")
	paired := true
	for k := range m.Rank {
		turnedA := align(a[k*m.In:(k+1)*m.In], wantA[k*m.In:(k+1)*m.In], 1)
		turnedB := align(b[k:], wantB[k:], m.Rank)
		paired = paired && turnedA == turnedB
	}
	const abs, rel = 1e-4, 1e-4 // PEFT decomposes in float32: close singular values blur their vectors
	near(t, "A", a, wantA, abs, rel)
	near(t, "B", b, wantB, abs, rel)
	if paired { // not where A and B are of different components, with signs of their own
		near(t, "base", m.Base.Floats(), r.get(r.init, "init.lin.base_layer.weight"), abs, rel)
	} else if r.Config["init_lora_weights"] != "lora_ga" {
		t.Error("A and B differ from PEFT's in the sign of their product")
	}
}

// align turns the sign of every stride-th entry of x to agree with want, and
// reports whether it did.
func align(x, want []float32, stride int) bool {
	var dot float32
	for i := 0; i < len(x); i += stride {
		dot += x[i] * want[i]
	}
	if dot >= 0 {
		return false
	}
	for i := 0; i < len(x); i += stride {
		x[i] = -x[i]
	}
	return true
}
