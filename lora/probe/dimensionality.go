package probe

import (
	"math"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
)

// dimensions is the interval in which the effective rank of the full gradient
// over the probe batch lies.
type dimensions struct{ low, high float64 }

const (
	leadingCount = 64  // triplets of a gradient that are found
	wholeSide    = 256 // smaller side up to which all its singular values are
)

// measure computes it while the map's input and the gradient dy of its output
// are there. Of a larger gradient the leading singular values are known, and by
// ‖G‖² the energy of the others, each of which is at most the last of them.
func (d *dimensions) measure(l *layer, dy []float32, total float64) error {
	in, out := l.m.In, l.m.Out
	x := ag.Floats(l.batch.x)
	n := len(dy) / out
	most := min(in, out, n)
	if min(in, out) <= wholeSide {
		g := make([]float32, out*in)
		kernels.MatMul(kernels.TN, false, out, in, n, dy, out, x, in, g, in)
		var s spectrum
		s.set(l.work.spectrum.OfDifference(out, in, g, make([]float32, out*in)), l.side())
		d.low, d.high = s.EffectiveRank, s.EffectiveRank
		return nil
	}
	lead, err := leadingOf(l, x, dy, leadingCount)
	if err != nil {
		return err
	}
	energy := total
	for _, s := range lead.S {
		energy -= s * s
	}
	d.low, d.high = interval(lead.S, max(energy, 0), most-len(lead.S))
	return nil
}

// interval returns the least and the most that the effective rank can be of a
// spectrum of which the leading values are known, and of as many as rest others
// the sum of squares. With S the sum of all and t that of the others,
//
//	ln erank = ln S − (Σ σ·ln σ)/S
//
// where t lies between energy/σ_k, of as few as can have it, and √(rest·energy),
// of equal ones, and the others' −Σ σ·ln σ between t·ln(1/σ_k) and t·ln(rest/t).
func interval(leading []float64, energy float64, rest int) (low, high float64) {
	if len(leading) == 0 || leading[0] == 0 {
		return 0, 0
	}
	var sum, inner float64 // in units of the first
	last := 1.0
	for _, s := range leading {
		if s /= leading[0]; s > 0 {
			sum, inner, last = sum+s, inner-s*math.Log(s), s
		}
	}
	energy /= leading[0] * leading[0]
	if rest <= 0 || energy <= 1e-30 {
		r := math.Exp(math.Log(sum) + inner/sum)
		return r, r
	}
	low, high = math.Inf(1), 0
	from, to := energy/last, math.Sqrt(float64(rest)*energy)
	const points = 400
	for i := range points + 1 {
		t := min(from, to) + (to-min(from, to))*float64(i)/points
		s := sum + t
		low = min(low, math.Exp(math.Log(s)+(inner-t*math.Log(last))/s))
		high = max(high, math.Exp(math.Log(s)+(inner+t*math.Log(float64(rest)/t))/s))
	}
	return low, high
}

// ofDimensions makes a metric of an end of the interval.
func ofDimensions(name, which string, of func(d *dimensions) float64) Metric {
	return Metric{
		Name: name, Definition: which + " of the interval that holds the effective rank of G, " + gradientOfBatch + "; the ends are one where the smaller side is at most 256",
		Source: "RaLoRA, ICLR 2026, OpenReview kObvnQ6pUx", Unit: "rank", Range: "0 or [1, min(in, out)]", Gauge: Invariant, Rescaling: Unscaled,
		Cost: "2N·in·out + 9·min(in, out)³, or 432N·d", Tier: 3, Aggregate: Mean,
		value: func(l *layer) (float64, error) {
			if err := l.visited(); err != nil {
				return 0, err
			}
			if l.batch.why != nil {
				return 0, l.batch.why
			}
			return of(&l.batch.dimensions), nil
		},
	}
}

var (
	dimensionalityLow  = ofDimensions("gradient_dimensionality_low", "lower end", func(d *dimensions) float64 { return d.low })
	dimensionalityHigh = ofDimensions("gradient_dimensionality_high", "upper end", func(d *dimensions) float64 { return d.high })
)
