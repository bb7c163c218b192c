package machine

import (
	"math"
	"testing"

	"github.com/lowrank/lowrank/kernels"
)

func TestCurve(t *testing.T) {
	c := Curve{Sizes: []float64{1, 4, 16}, Rates: []float64{8, 2, 2}}
	for set, want := range map[float64]float64{0.5: 8, 1: 8, 2: 4, 4: 2, 8: 2, 100: 2} {
		if got := c.At(set); math.Abs(got-want) > 1e-12 {
			t.Errorf("At(%g) = %g, want %g", set, got, want)
		}
	}
	if !math.IsNaN(Curve{}.At(1)) {
		t.Error("no curve has a rate")
	}
}

func TestRoof(t *testing.T) {
	c := Curve{Sizes: []float64{1}, Rates: []float64{10}}
	if got := Roof(100, c, 4, 2, 1); got != 20 {
		t.Errorf("below the ridge %g, want intensity 2 × bandwidth 10", got)
	}
	if got := Roof(100, c, 40, 2, 1); got != 100 {
		t.Errorf("beyond the ridge %g, want the peak", got)
	}
}

func TestMeasures(t *testing.T) {
	threads := kernels.Threads()
	if rate := FMA(2); !(rate > 1e8) {
		t.Errorf("FMA(2) = %g", rate)
	}
	if rate := FMA(1); !(rate > 1e8) || kernels.Threads() != threads {
		t.Errorf("FMA(1) = %g, and of %d threads it left %d to what is measured next", rate, threads, kernels.Threads())
	}
	if rate := Copy(1<<16, 2); !(rate > 1e8) {
		t.Errorf("Copy = %g", rate)
	}
	last := 0
	for _, p := range Places() {
		if p.Bytes <= last {
			t.Errorf("%s holds %d bytes, no more than the place before", p.Name, p.Bytes)
		}
		last = p.Bytes
	}
}
