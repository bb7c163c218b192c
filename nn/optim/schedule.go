package optim

import (
	"fmt"
	"math"
)

// Kinds of a schedule.
const (
	Constant = "constant"
	Linear   = "linear"
	Cosine   = "cosine"
)

// A Schedule is the learning rate over the steps t = 1 … Steps. With
// W = ⌈Warmup·Steps⌉ it is
//
//	peak·t/(W+1)                          while t ≤ W
//	peak·(Floor + (1-Floor)·d(x))         after, x = (t-1-W)/(Steps-W)
//
// where d(x) is 1 (constant), 1-x (linear) or (1+cos πx)/2 (cosine): step W+1
// has the peak, and neither the first step nor the last is lost on a rate of
// 0. After the last step x stays 1.
type Schedule struct {
	Kind   string
	Warmup float64 // the share of the steps that ramps up, in [0, 1]
	Floor  float64 // the share of the peak that is left at the end, in [0, 1]
	Steps  int
}

// Validate returns an error of one line that names the field.
func (s Schedule) Validate() error {
	switch {
	case s.Kind != Constant && s.Kind != Linear && s.Kind != Cosine:
		return fmt.Errorf("optim: schedule %q: must be %s, %s or %s", s.Kind, Constant, Linear, Cosine)
	case !(s.Warmup >= 0 && s.Warmup <= 1):
		return fmt.Errorf("optim: schedule: warmup %g: must lie in [0, 1]", s.Warmup)
	case !(s.Floor >= 0 && s.Floor <= 1):
		return fmt.Errorf("optim: schedule: floor %g: must lie in [0, 1]", s.Floor)
	case s.Steps < 1:
		return fmt.Errorf("optim: schedule: %d steps: must be at least 1", s.Steps)
	}
	return nil
}

// LR returns the rate at a step of a valid schedule, 1 for the first.
func (s Schedule) LR(step int, peak float64) float64 {
	warm := math.Ceil(s.Warmup*float64(s.Steps) - 1e-9) // 0.07·100 is above 7
	t := float64(step)
	if t <= warm {
		return peak * t / (warm + 1)
	}
	x := 1.0
	if step <= s.Steps {
		x = (t - 1 - warm) / (float64(s.Steps) - warm)
	}
	d := 1.0
	switch s.Kind {
	case Linear:
		d = 1 - x
	case Cosine:
		d = (1 + math.Cos(math.Pi*x)) / 2
	}
	return peak * (s.Floor + (1-s.Floor)*d)
}
