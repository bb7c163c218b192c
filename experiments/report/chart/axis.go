package chart

import (
	"math"
	"strconv"
)

// Axis is one direction of a chart.
type Axis struct {
	Title    string  // with its unit: "update norm (relative to ‖W0‖)"
	Log      bool    // logarithmic, base 10
	Min, Max float64 // fixed ends; equal values (both zero) take the end from the data
	Whole    bool    // only whole numbers are ticked (steps, ranks)
}

// tick is a labelled (or, without text, only drawn) place on an axis.
type tick struct {
	value float64
	text  string
}

// scale maps values to pixels.
type scale struct {
	log        bool
	low, high  float64 // values
	from, till float64 // pixels of low and high
}

// shows reports whether v has a place on an axis of this kind.
func (a Axis) shows(v float64) bool {
	return drawable(v) && (!a.Log || v >= 1e-300)
}

// drawable refuses what is not finite, and what is so large that a difference
// of two such values is not.
func drawable(v float64) bool { return math.Abs(v) <= 1e300 }

// scale fits the axis to the values: the smallest range that holds them all,
// with a margin of pad of its length on both sides.
func (a Axis) scale(pad, from, till float64, values func(yield func(float64))) scale {
	low, high := math.Inf(1), math.Inf(-1)
	values(func(v float64) {
		if a.shows(v) {
			low, high = min(low, v), max(high, v)
		}
	})
	fixed := a.Min < a.Max && a.shows(a.Min) && a.shows(a.Max)
	switch {
	case fixed:
		low, high, pad = a.Min, a.Max, 0
	case low > high: // nothing to show
		low, high = 1, 10
		if !a.Log {
			low, high = 0, 1
		}
	}
	s := scale{log: a.Log, low: low, high: high, from: from, till: till}
	if a.Log {
		low, high = math.Log10(low), math.Log10(high)
	}
	width := high - low
	if width <= math.Abs(high)*1e-9 || width < 1e-300 { // one value: a range around it
		half := 0.5
		if !a.Log {
			half = max(math.Abs(high)*0.05, 1e-9)
		}
		low, high = low-half, high+half
		width = high - low
		pad = 0
	}
	low, high = low-pad*width, high+pad*width
	if a.Log {
		low, high = math.Pow(10, max(low, -300)), math.Pow(10, min(high, 300))
	}
	s.low, s.high = low, high
	return s
}

// at is the pixel of v. Values beyond the axis get a pixel beyond it, at most
// three times its length away.
func (s scale) at(v float64) float64 {
	low, high := s.low, s.high
	if s.log {
		v, low, high = math.Log10(v), math.Log10(low), math.Log10(high)
	}
	return s.from + min(max((v-low)/(high-low), -3), 4)*(s.till-s.from)
}

// over reports whether v lies beyond the axis.
func (s scale) over(v float64) bool { return v < s.low || v > s.high }

// ticks returns about count ticks.
func (a Axis) ticks(s scale, count int) []tick {
	if a.Log {
		if decades := math.Log10(s.high) - math.Log10(s.low); decades >= 0.5 {
			return logTicks(s, decades, count)
		}
	}
	step := niceStep(0.75*(s.high-s.low)/float64(max(count, 1)), a.Whole)
	var out []tick
	first := math.Ceil(s.low/step - 1e-9)
	for i := 0; i < 64; i++ {
		v := (first + float64(i)) * step
		if v > s.high+step*1e-9 {
			break
		}
		if math.Abs(v) < step*1e-9 {
			v = 0
		}
		if a.Log && v <= 0 {
			continue
		}
		out = append(out, tick{v, tickText(v, step)})
	}
	return out
}

// tickText writes v with the decimals of the step, so that all labels of an
// axis have the same number of them.
func tickText(v, step float64) string {
	decimals := int(max(0, -math.Floor(math.Log10(step)+1e-9)))
	if math.Abs(v) >= 1e6 || decimals > 5 {
		return Number(v)
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// niceStep is the smallest of 1, 2, 5 × 10ⁿ that is at least raw.
func niceStep(raw float64, whole bool) float64 {
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	step := power * 10
	for _, m := range []float64{1, 2, 5} {
		if m*power >= raw*(1-1e-9) {
			step = m * power
			break
		}
	}
	if whole {
		step = max(step, 1)
	}
	return step
}

// logTicks marks the decades, and 2 and 5 between them: with labels where the
// axis is short enough to hold them, else as small ticks. Where there are more
// decades than count, every second (third, …) one has a label.
func logTicks(s scale, decades float64, count int) []tick {
	every := 1
	for decades/float64(every) > float64(count) {
		every++
	}
	minorText := decades*3 <= float64(count)+1
	var out []tick
	for e := int(math.Floor(math.Log10(s.low))); float64(e) <= math.Log10(s.high)+1e-9; e++ {
		for _, m := range []float64{1, 2, 5} {
			v := m * math.Pow(10, float64(e))
			if v < s.low*(1-1e-9) || v > s.high*(1+1e-9) || m > 1 && every > 1 {
				continue
			}
			text := ""
			if m == 1 && e%every == 0 || m > 1 && minorText {
				text = Rate(v)
			}
			out = append(out, tick{v, text})
		}
	}
	return out
}

// Rate returns v as learning rates are written: 3e-4, 0.01, 1.
func Rate(v float64) string {
	if v >= 0.01 && v < 1e5 || v == 0 {
		return Number(v)
	}
	e := math.Floor(math.Log10(v) + 1e-12)
	if math.IsNaN(e) || math.IsInf(e, 0) {
		return Number(v)
	}
	return Number(math.Round(v/math.Pow(10, e)*1000)/1000) + "e" + Number(e)
}
