package training

import (
	"math"
	"slices"
	"time"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/bench/machine"
	"github.com/lowrank/lowrank/bench/peers"
)

// The names of the sides.
const (
	oursName     = "ours"
	eagerName    = "PyTorch"
	compiledName = "compiled"
)

// A side is a process that makes the steps of one training.
type side struct {
	name    string
	began   time.Time
	server  *peers.Server
	trained int
	first   float64 // seconds from its start to the end of the first step
	losses  []float64
	seconds []float64 // of steps, so far
	peak    int       // of resident memory
}

// prepare has a side load model and adapter, and makes the steps whose losses
// are compared.
func (s *side) prepare(question map[string]any, flops *float64) error {
	var p prepared
	if err := s.server.Ask("prepare", question, &p); err != nil {
		return err
	}
	s.trained = p.Trained
	if flops != nil {
		*flops = p.Flops
	}
	var l losses
	if err := s.server.Ask("losses", map[string]any{"steps": checked}, &l); err != nil {
		return err
	}
	s.losses, s.first = l.Losses, l.First-float64(s.began.UnixNano())/1e9
	return nil
}

// time adds the seconds of so many steps, after one that does not count.
func (s *side) time(threads, steps, skip int) ([]float64, error) {
	machine.Confine(s.server.Pid(), threads)
	var t times
	err := s.server.Ask("times", map[string]any{"threads": threads, "warm": 1, "steps": steps, "skip": skip}, &t)
	s.seconds = append(s.seconds, t.Seconds...)
	return t.Seconds, err
}

// rate is the median and what lies between the quarters.
func (s *side) rate() compare.Rate {
	low, middle, high := quarters(s.seconds)
	return compare.Rate{Side: s.name, Seconds: middle, Rate: 1e3 * middle, Spread: (high - low) / middle}
}

// quarters returns the quartiles and the median.
func quarters(x []float64) (low, middle, high float64) {
	if len(x) == 0 {
		return math.NaN(), math.NaN(), math.NaN()
	}
	sorted := slices.Sorted(slices.Values(x))
	at := func(part float64) float64 {
		i, f := math.Modf(part * float64(len(sorted)-1))
		j := min(int(i)+1, len(sorted)-1)
		return sorted[int(i)]*(1-f) + sorted[j]*f
	}
	return at(0.25), at(0.5), at(0.75)
}
