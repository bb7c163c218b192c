package probe

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/nn"
)

// newLinearRun is newRun with a loss that is linear in the outputs, so that the
// gradient of the weight is the same whatever the adapter is.
func newLinearRun(m *adapter.Map) *run {
	rng := rand.New(rand.NewPCG(9, 9))
	r := &run{m: m, tape: ag.NewTape(), x: ag.NewVariable(tokens, m.In, nil)}
	fill(r.x.Floats(), 1, rng)
	c, ones := ag.NewVariable(1, m.Out, nil), ag.NewVariable(1, tokens, nil)
	fill(c.Floats(), 1.0/tokens, rng)
	fill(ones.Floats(), 1, rng)
	y := m.Forward(&nn.Context{Tape: r.tape, Batch: 1, Tokens: tokens}, r.x)
	r.loss = r.tape.Run(ag.NewLinear(r.tape.Run(ag.NewLinear(c, y)), ones))
	return r
}

// A pass of two steps, measured in all tiers; each is made by moves, which change
// the factors.
func twoSteps(t *testing.T, m *adapter.Map, r *run, move func(step int)) map[string]float64 {
	p := New([]*adapter.Map{m})
	r.lend(p)
	measured(t, p, 0)
	var v map[string]float64
	for step := 1; step <= 2; step++ {
		r.backward()
		p.Lab.Loss = r.value()
		p.Before(step)
		move(step)
		v = measured(t, p, step)
	}
	return v
}

// metricOf finds the metric of a value by its name.
func metricOf(name string) *Metric {
	for i := range table {
		if m := &table[i]; m.Name == name || m.Many && m.Name == strings.TrimRight(name, "0123456789") {
			return m
		}
	}
	return nil
}

// Of every metric, whether it stays where A becomes M·A and B becomes B·M⁻¹ is as
// the table says.
func TestGauge(t *testing.T) {
	const out, in, r = 32, 24, 3
	steps := map[int][2][]float32{}
	first := newMap(t, delta.LoRA{}, nil, out, in, r)
	run := newRun(first)
	want := twoSteps(t, first, run, func(step int) {
		run.descend(0.3)
		a, b := first.Factor("A").Floats(), first.Factor("B").Floats()
		steps[step] = [2][]float32{append([]float32(nil), a...), append([]float32(nil), b...)}
	})

	m := mat.NewDense(r, r, []float64{1.5, 0.4, -0.3, 0.2, 0.7, 0.5, -0.6, 0.1, 2})
	var inverse mat.Dense
	if err := inverse.Inverse(m); err != nil {
		t.Fatal(err)
	}
	second := newMap(t, delta.LoRA{}, nil, out, in, r)
	transform := func(a, b []float32) {
		x, y := product(1, m, dense(r, in, a)), product(1, dense(out, r, b), &inverse)
		for i, v := range x.RawMatrix().Data {
			second.Factor("A").Floats()[i] = float32(v)
		}
		for i, v := range y.RawMatrix().Data {
			second.Factor("B").Floats()[i] = float32(v)
		}
	}
	transform(append([]float32(nil), second.Factor("A").Floats()...), append([]float32(nil), second.Factor("B").Floats()...))
	got := twoSteps(t, second, newRun(second), func(step int) { transform(steps[step][0], steps[step][1]) })

	// Steps are differences of float32 factors, some hundred times their size.
	const rounding = 2e-3
	differ := map[string]bool{}
	for name, w := range want {
		g, ok := got[name]
		same := ok && math.Abs(g-w) <= rounding*max(math.Abs(w), 1e-3)
		metric := metricOf(name)
		if metric.Gauge == Invariant && !same {
			t.Errorf("%s is %v, and %v in another gauge: must be invariant", name, w, g)
		}
		if metric.Gauge == Dependent {
			differ[metric.Name] = differ[metric.Name] || !same
		}
	}
	for name, ok := range differ {
		if !ok && !strings.HasPrefix(name, "sharpness_iter") && name != "sharpness_seed" && !strings.HasPrefix(name, "gradient_effective_rank") {
			t.Errorf("%s is said to depend on the gauge, and stays", name)
		}
	}
}

// Of every metric, what it is multiplied by where s becomes c·s is as the table
// says.
func TestRescaling(t *testing.T) {
	const c = 3
	measure := func(scale float32) map[string]float64 {
		m := newMap(t, delta.LoRA{}, nil, 32, 24, 3)
		m.Scaling *= scale
		rng := rand.New(rand.NewPCG(2, 3))
		return twoSteps(t, m, newLinearRun(m), func(int) {
			for _, f := range m.Factors {
				for i := range f.Floats() {
					f.Floats()[i] += float32(0.1 * rng.NormFloat64())
				}
			}
		})
	}
	want, got := measure(1), measure(c)
	powers := map[Rescaling]float64{Unscaled: 1, Linear: c, Quadratic: c * c}
	checked := 0
	for name, w := range want {
		power, ok := powers[metricOf(name).Rescaling]
		if !ok {
			continue
		}
		checked++
		if g := got[name]; math.Abs(g-power*w) > 1e-4*max(math.Abs(power*w), 1e-5) && !(math.IsInf(g, 1) && math.IsInf(w, 1)) {
			t.Errorf("%s is %v, and %v with %d times the scaling: want %v times", name, w, g, c, power)
		}
	}
	if checked < 60 {
		t.Errorf("only %d values were compared", checked)
	}
}
