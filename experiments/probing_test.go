package experiments

import (
	"math"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/lora"
)

// measuredRun does a run and returns its metrics of the model at a step.
func measuredRun(t *testing.T, r *Run, step int) map[string]float64 {
	t.Helper()
	finish(t, r)
	rows, err := record.ReadMetrics(r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	v := map[string]float64{}
	for _, m := range rows {
		if m.Step == step && m.Layer == "" {
			v[m.Name] = m.Value
		}
	}
	return v
}

// At the start of the ray the loss is the base's, at its end the model's; what is
// forgotten is what the exam on the base's text says.
func TestForgettingAndRay(t *testing.T) {
	for _, method := range []string{"lora", "dora", "pissa", "hira", "full"} {
		r := tinyRun(t, method, func(c *Config) { c.Train.LR = 2e-2 })
		end := measuredRun(t, r, 8)
		loss, base := end["eval_base_loss"], 0.0
		_, base, err := r.Setting.BaseLosses(2, 16, 2)
		if err != nil {
			t.Fatal(err)
		}
		if want := loss - base; math.Abs(end["forgetting"]-want) > 1e-5 {
			t.Errorf("%s: forgetting is %v, want %v", method, end["forgetting"], want)
		}
		if !(end["base_kl"] > 0) {
			t.Errorf("%s: the divergence from the base is %v", method, end["base_kl"])
		}
		// The ray's ends by another way: the model before it was trained, and at the
		// end, on the probe batch.
		s := r.Setting
		g, err := newGraph(s.Base.Clone(), s.feed.open(2, 16), 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.feed.draw(g.batch, probeSeed, probeStream, 0); err != nil {
			t.Fatal(err)
		}
		if want := forward(t, g) / 32; math.Abs(end["ray_loss_0"]-want) > 1e-5 {
			t.Errorf("%s: at the start of the ray the loss is %v, the base's is %v", method, end["ray_loss_0"], want)
		}
		if !(end["ray_loss_100"] < end["ray_loss_0"]) || end["ray_loss_50"] == end["ray_loss_0"] {
			t.Errorf("%s: losses along the ray are %v, %v, %v", method, end["ray_loss_0"], end["ray_loss_50"], end["ray_loss_100"])
		}
	}
}

func TestKLDivergence(t *testing.T) {
	p, q := []float32{0, 0, 5, 5, 1, 2}, []float32{0, float32(math.Log(3)), 7, 7, 9, 9}
	// ½·ln(½/¼) + ½·ln(½/¾) of the first row; 0 of the second; the third has no label.
	want := 0.5*math.Log(2) + 0.5*math.Log(2./3)
	if sum, rows := divergence(p, q, []int32{0, 1, -100}); math.Abs(sum-want) > 1e-6 || rows != 2 {
		t.Errorf("have %v over %d rows, want %v over 2", sum, rows, want)
	}
}

// Every row of the table trains with all its instruments, gives no NaN, and says
// for every metric that it has none of why; and its adapter is that of a run
// without.
func TestInstrumentsOfEveryMethod(t *testing.T) {
	for _, m := range lora.Methods() {
		short := func(c *Config) {
			c.Train.Steps, c.Train.Batch, c.Train.LR, c.Checkpoint.Every, c.Eval.Every = 4, 2, 1e-3, 0, 0
			c.Probe = Probe{1, 1, 2, AtCheckpoints, 0}
		}
		r := tinyRun(t, m.Name, short)
		with := finish(t, r)
		without := finish(t, tinyRun(t, m.Name, short, func(c *Config) { c.Probe = Probe{} }))
		wantSameAdapter(t, m.Name, with, without)
		rows, err := record.ReadMetrics(r.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if math.IsNaN(row.Value) {
				t.Errorf("%s: %+v", m.Name, row)
			}
		}
		rec, err := record.ReadRun(r.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range rec.Undefined {
			if u.Metric == "" || u.Why == "" || u.Maps < 0 {
				t.Errorf("%s: %+v", m.Name, u)
			}
		}
		defined := slices.ContainsFunc(rows, func(m record.Metric) bool { return m.Name == "captured_energy" })
		told := slices.ContainsFunc(rec.Undefined, func(u record.Undefined) bool { return u.Metric == "captured_energy" })
		if defined == told {
			t.Errorf("%s: captured_energy is defined: %v, and said not to be: %v", m.Name, defined, told)
		}
	}
}
