package verify

import (
	"fmt"
	"math"
	"slices"
)

// draws is how many starts the moments of a random one are taken from.
const draws = 64

// laws compares the parts of a start that leaves the base as it is. Those that
// no seed changes must be the recorded ones. Of those that are drawn, the
// recorded one must look like a draw: its moments lie within a few standard
// deviations of those of our own.
func (s *start) laws() {
	samples := make([][][]float32, len(s.parts))
	for seed := range uint64(draws) {
		if err := s.inject(seed + 1); err != nil {
			s.fail("init", err)
			return
		}
		for i, p := range s.parts {
			samples[i] = append(samples[i], slices.Clone(p.Floats()))
		}
	}
	for i, p := range s.parts {
		name, want, ok := s.value(p)
		if !ok {
			continue
		}
		first := samples[i][0]
		switch {
		case !slices.ContainsFunc(samples[i], func(x []float32) bool { return !slices.Equal(x, first) }):
			tol := Values
			if !slices.ContainsFunc(first, func(x float32) bool { return x != 0 }) {
				tol = Tolerance{}
			}
			s.rows.near(name, first, want, tol)
		case s.Deterministic != nil && *s.Deterministic:
			s.fail(name, fmt.Errorf("it is recorded as a function of the base, and is drawn here"))
		default:
			s.law(name, samples[i], want)
		}
	}
}

// law reports whether x looks like one of the samples.
func (s *start) law(name string, samples [][]float32, x []float32) {
	const most = 5 // standard deviations; a moment's law has longer tails than a normal one's
	row := Row{Name: name, Status: Pass, Count: len(x), Tolerance: fmt.Sprintf("law, %d s.d.", most)}
	have := moments(x)
	for i, moment := range []string{"mean", "logarithm of the variance", "logarithm of the kurtosis"} {
		if i > 0 && len(x) < 8 {
			break // too few values to have one
		}
		var sum, squares float64
		for _, sample := range samples {
			v := moments(sample)[i]
			sum, squares = sum+v, squares+v*v
		}
		n := float64(len(samples))
		mean := sum / n
		deviation := math.Sqrt(max(squares/n-mean*mean, 0) * n / (n - 1))
		if off := math.Abs(have[i] - mean); !(off <= most*deviation) && row.Status == Pass {
			row.Status = Fail
			row.Note = fmt.Sprintf("the %s is %.4g, here %.4g ± %.2g", moment, have[i], mean, deviation)
		}
	}
	s.add(row)
}

// moments returns the mean, and the logarithms of the variance and of the
// kurtosis.
func moments(x []float32) [3]float64 {
	n := float64(len(x))
	var mean, second, fourth float64
	for _, v := range x {
		mean += float64(v) / n
	}
	for _, v := range x {
		d := float64(v) - mean
		second += d * d / n
		fourth += d * d * d * d / n
	}
	return [3]float64{mean, math.Log(second), math.Log(fourth / (second * second))}
}
