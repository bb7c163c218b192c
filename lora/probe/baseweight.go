package probe

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/lora/geometry"
)

// baseWeight is what is known of W0: its leading triplets, or all, and the last
// ones, from the first measurement on.
type baseWeight struct {
	known    bool
	leading  geometry.SVD
	trailing geometry.SVD
}

// small is the size up to which a weight is decomposed as a whole, and all of it kept.
// Up to middling that takes less time than to look for what is wanted.
const small, middling = 256, 512

// What is looked for among the leading left singular vectors of W' (arXiv
// 2410.21228, section 3; PEFT's defaults).
const (
	intruderCount   = 10
	intruderEpsilon = 0.5
)

func (l *layer) rng() *rand.Rand { return rand.New(rand.NewPCG(uint64(l.index), 29)) }

// dense is W0 in float64, for as long as a measurement of tier 3 needs it.
func (l *layer) dense() (*mat.Dense, error) { return geometry.Dense(l.m.W0(), l.m.Out, l.m.In) }

// prepare decomposes W0, once.
func (l *layer) prepare(w0 *mat.Dense) (err error) {
	b := &l.base
	if b.known {
		return nil
	}
	first := max(4*l.m.Rank, 4*intruderCount)
	if n := min(l.m.In, l.m.Out); n <= middling {
		all, err := geometry.Decompose(w0)
		if err != nil {
			return err
		}
		if b.leading, b.trailing = all, all.Tail(l.m.Rank); n > small {
			b.leading, b.trailing = all.Head(first).Copy(), b.trailing.Copy()
		}
	} else {
		if b.leading, err = geometry.Leading(w0, first, l.rng()); err != nil {
			return err
		}
		if b.trailing, err = geometry.Trailing(w0, l.m.Rank, l.rng()); err != nil {
			return err
		}
	}
	b.known = true
	return nil
}

// standing is how the change of a weight stands to it.
type standing struct {
	overlap       [2][2]float64 // with W0's first 4r and last r: left, right
	amplification float64
	intruders     geometry.Intruders
	magnitude     float64
	direction     float64
	err           error // why not the overlaps and the amplification
}

// stands measures it.
func (l *layer) stands() (*standing, error) {
	return l.standing.get(l.p.tick, func(s *standing) error {
		*s = standing{}
		if gated(l.m) {
			return gatedWeight
		}
		w0, err := l.dense()
		if err != nil {
			return err
		}
		if err := l.prepare(w0); err != nil {
			return err
		}
		l.movement(s)
		s.err = l.overlaps(s, w0)
		after, err := l.after(w0)
		if err != nil {
			return err
		}
		s.intruders = geometry.FindIntruders(w0, l.base.leading, after, intruderEpsilon)
		return nil
	})
}

const gatedWeight Undefined = "the gates weigh the experts for every token: there is no one weight"

// overlaps compares the singular vectors of ΔW with W0's.
func (l *layer) overlaps(s *standing, w0 *mat.Dense) error {
	d, err := l.netTriplets()
	if err != nil {
		return err
	}
	u, v := d.Leading(l.m.Rank)
	if u == nil {
		return noChange
	}
	for i, of := range []geometry.SVD{l.base.leading.Head(4 * l.m.Rank), l.base.trailing} {
		s.overlap[i] = [2]float64{geometry.Overlap(of.U, u), geometry.Overlap(of.V, v)}
	}
	s.amplification = geometry.Amplification(d, w0)
	return nil
}

const noChange Undefined = "ΔW is zero"

// after returns the leading triplets of W'.
func (l *layer) after(w0 *mat.Dense) (geometry.SVD, error) {
	form := l.m.Form()
	if form.LowRank() && form.Gain == nil {
		now, err := l.now()
		if err != nil {
			return geometry.SVD{}, err
		}
		now = l.netOf(now)
		return geometry.LeadingSum(w0, now.times(l.s), intruderCount, l.rng())
	}
	merged, err := l.m.Merged()
	if err != nil {
		return geometry.SVD{}, err
	}
	w, err := geometry.Dense(merged, l.m.Out, l.m.In)
	if err != nil {
		return geometry.SVD{}, err
	}
	return geometry.Leading(w, intruderCount, l.rng())
}

// movement measures by how much the rows of the weight have changed in length
// and in direction.
func (l *layer) movement(s *standing) {
	merged, err := l.m.Merged()
	if err != nil {
		return
	}
	s.magnitude, s.direction = geometry.Movement(l.m.W0(), merged, l.m.In)
}

const (
	decomposition = "40·k·in·out and, the first time, min(in, out)²·max(in, out)"
	loraPaper     = "arXiv 2106.09685, section 7"
)

// ofStanding makes a metric of it.
func ofStanding(m Metric, scaled Rescaling, cost string, of func(s *standing) (float64, error)) Metric {
	m.Gauge, m.Rescaling, m.Cost, m.Tier = Invariant, scaled, cost, 3
	m.value = func(l *layer) (float64, error) {
		s, err := l.stands()
		if err != nil {
			return 0, err
		}
		return of(s)
	}
	return m
}

// ofOverlaps makes the metrics of the overlaps with a part of W0.
func ofOverlaps(name, what string, i int) []Metric {
	var both []Metric
	for side, space := range []string{"left", "right"} {
		both = append(both, ofStanding(overlapOf(name, space, what), Unscaled, decomposition, func(s *standing) (float64, error) { return s.overlap[i][side], s.err }))
	}
	return both
}

func overlapOf(name, space, what string) Metric {
	return Metric{
		Name: name + "_" + space, Definition: "mean squared cosine between the first r " + space + " singular vectors of ΔW and W0's " + what + "; k/n of k random directions of n",
		Source: loraPaper + ".2", Unit: "1", Range: "[0, 1]", Aggregate: Mean,
	}
}

var (
	overlapTop4   = ofOverlaps("overlap_top4", "4r leading ones", 0)
	overlapBottom = ofOverlaps("overlap_bottom", "r last ones", 1)

	amplification = ofStanding(Metric{
		Name: "amplification", Definition: "‖ΔW‖/‖UᵀW0V‖, U and V the singular vectors of ΔW: how many times stronger the weight has become along its change",
		Source: loraPaper + ".3", Unit: "1", Range: "[0, ∞]", Aggregate: Mean,
	}, Linear, "2·in·out·r", func(s *standing) (float64, error) { return s.amplification, s.err })

	intruders = ofIntruders("intruders", "for certain", func(x geometry.Intruders) float64 { yes, _, _ := x.Counts(); return float64(yes) })

	intrudersNot       = ofIntruders("intruders_not", "not, for certain", func(x geometry.Intruders) float64 { _, no, _ := x.Counts(); return float64(no) })
	intrudersUndecided = ofIntruders("intruders_undecided", "perhaps, W0's vectors being known in part", func(x geometry.Intruders) float64 { _, _, u := x.Counts(); return float64(u) })

	intruderEnergy = ofStanding(Metric{
		Name: "intruder_energy", Definition: "Σσ of the intruders over Σσ of the ten leading triplets of W'", Source: "arXiv 2410.21228, section 3", Unit: "1", Range: "[0, 1]", Aggregate: Mean,
	}, Unsettled, decomposition, func(s *standing) (float64, error) { return s.intruders.Energy(), nil })

	magnitudeChange = ofStanding(Metric{
		Name: "magnitude_change", Definition: "mean over rows i of |‖w'_i‖ − ‖w_i‖|, w of W0", Source: "arXiv 2402.09353, eq. 3", Unit: "weight", Range: "[0, ∞)", Aggregate: Mean,
	}, Unsettled, "6·in·out + 2·in·out·r", func(s *standing) (float64, error) { return s.magnitude, defined(s.magnitude) })
	directionChange = ofStanding(Metric{
		Name: "direction_change", Definition: "mean over rows i of 1 − cos(w'_i, w_i), w of W0", Source: "arXiv 2402.09353, eq. 4", Unit: "1", Range: "[0, 2]", Aggregate: Mean,
	}, Unsettled, "6·in·out + 2·in·out·r", func(s *standing) (float64, error) { return s.direction, defined(s.direction) })
)

func ofIntruders(name, which string, of func(geometry.Intruders) float64) Metric {
	return ofStanding(Metric{
		Name: name, Definition: "how many of the ten leading left singular vectors of W' have a cosine below 0.5 with every one of W0's: " + which,
		Source: "arXiv 2410.21228, section 3", Unit: "1", Range: "0 … 10", Aggregate: Sum,
	}, Unsettled, decomposition, func(s *standing) (float64, error) { return of(s.intruders), nil })
}

func defined(x float64) error {
	if math.IsNaN(x) {
		return zeroOverZero
	}
	return nil
}

// line fits magnitude changes to direction changes over the maps.
func (p *Probe) line() (slope, correlation float64, err error) {
	var x, y []float64
	for _, l := range p.layers {
		s, err := l.stands()
		if err != nil {
			return 0, 0, err
		}
		if defined(s.magnitude) == nil {
			x, y = append(x, s.direction), append(y, s.magnitude)
		}
	}
	var mx, my, xx, yy, xy float64
	for i := range x {
		mx, my = mx+x[i]/float64(len(x)), my+y[i]/float64(len(x))
	}
	for i := range x {
		xx, yy, xy = xx+(x[i]-mx)*(x[i]-mx), yy+(y[i]-my)*(y[i]-my), xy+(x[i]-mx)*(y[i]-my)
	}
	if len(x) < 3 || xx == 0 || yy == 0 {
		return 0, 0, fewMaps
	}
	return xy / xx, xy / math.Sqrt(xx*yy), nil
}

const fewMaps Undefined = "a line needs three maps that differ"

// ofLine makes a metric of the line.
func ofLine(name, definition, unit, span string, of func(slope, correlation float64) float64) Metric {
	return Metric{
		Name: name, Definition: definition + " of magnitude_change against direction_change, over the maps: positive for LoRA, negative for full fine-tuning and DoRA in the paper",
		Source: "arXiv 2402.09353, section 3.2", Unit: unit, Range: span, Gauge: Invariant, Rescaling: Unsettled, Cost: "0, beside the two", Tier: 3,
		model: func(p *Probe) (float64, error) {
			slope, correlation, err := p.line()
			return of(slope, correlation), err
		},
	}
}

var (
	magnitudeSlope       = ofLine("magnitude_direction_slope", "slope", "weight", "(-∞, ∞)", func(slope, _ float64) float64 { return slope })
	magnitudeCorrelation = ofLine("magnitude_direction_correlation", "correlation", "1", "[-1, 1]", func(_, correlation float64) float64 { return correlation })
)
