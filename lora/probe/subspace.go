package probe

import (
	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/lora/geometry"
)

// A pair of subspaces is what a product writes into and what it reads: the column
// space of B and the row space of A.
type subspaces struct{ left, right *mat.Dense }

// spans are the principal angles between the subspaces of a product's factors now and
// before the step, and now and at the start; nil where there are none.
type spans struct{ step, start angles }

// angles are those of the column spaces of B and of the row spaces of A.
type angles struct{ left, right []float64 }

func (l *layer) spans() (*spans, error) {
	return l.span.get(l.p.tick, func(s *spans) error {
		*s = spans{}
		p, err := l.now()
		if err != nil {
			return err
		}
		if gated(l.m) {
			return gatedStart
		}
		now, err := spanOf(p)
		if err != nil {
			return err
		}
		if l.remembered && len(l.before.a) > 0 {
			if s.step, err = now.from(l.before.of(l)); err != nil {
				return err
			}
		}
		if len(l.start.a) > 0 {
			s.start, err = now.from(l.start.of(l))
		}
		return err
	})
}

func spanOf(p pair) (s subspaces, err error) {
	if s.left, err = geometry.Span(p.bt); err != nil {
		return s, err
	}
	s.right, err = geometry.Span(p.a)
	return s, err
}

// from returns the angles to the subspaces of p.
func (s subspaces) from(p pair) (a angles, err error) {
	other, err := spanOf(p)
	if err != nil {
		return a, err
	}
	if a.left, err = geometry.Angles(s.left, other.left); err != nil {
		return a, err
	}
	a.right, err = geometry.Angles(s.right, other.right)
	return a, err
}

// between makes the metrics of the left and the right subspaces that pick has.
func between(m Metric, pick func(s *spans) angles, of func(angles []float64) float64) []Metric {
	m.Gauge, m.Rescaling, m.Cost, m.Tier, m.Aggregate = Invariant, Unscaled, "14r²·d + 40r³", 2, Mean
	m.Source = "Björck and Golub, Math. Comp. 27, 1973"
	side := func(name, space string, of func(a angles) (float64, error)) Metric {
		m := m
		m.Name += name
		m.Definition += space
		m.value = func(l *layer) (float64, error) {
			s, err := l.spans()
			if err != nil {
				return 0, err
			}
			return of(pick(s))
		}
		return m
	}
	measure := func(angles []float64) (float64, error) {
		if len(angles) == 0 {
			return 0, noSubspace
		}
		return of(angles), nil
	}
	return []Metric{
		side("_a", "row space of A", func(a angles) (float64, error) { return measure(a.right) }),
		side("_b", "column space of B", func(a angles) (float64, error) { return measure(a.left) }),
	}
}

const noSubspace Undefined = "a factor is zero, or was not observed: it has no subspace"

func largest(angles []float64) float64 { return angles[len(angles)-1] }

func inStep(s *spans) angles    { return s.step }
func fromStart(s *spans) angles { return s.start }

var (
	angleStep     = between(Metric{Name: "angle_step", Definition: "largest principal angle, before and after the step, of the ", Unit: "radian", Range: "[0, π/2]"}, inStep, largest)
	angleStart    = between(Metric{Name: "angle_start", Definition: "largest principal angle, at the start and now, of the ", Unit: "radian", Range: "[0, π/2]"}, fromStart, largest)
	distanceStep  = between(Metric{Name: "distance_step", Definition: "Grassmann distance ‖θ‖, before and after the step, of the ", Unit: "radian", Range: "[0, √r·π/2]"}, inStep, geometry.Geodesic)
	distanceStart = between(Metric{Name: "distance_start", Definition: "Grassmann distance ‖θ‖, at the start and now, of the ", Unit: "radian", Range: "[0, √r·π/2]"}, fromStart, geometry.Geodesic)
	chordalStep   = between(Metric{Name: "chordal_step", Definition: "chordal distance ‖sin θ‖, before and after the step, of the ", Unit: "1", Range: "[0, √r]"}, inStep, geometry.Chordal)
	chordalStart  = between(Metric{Name: "chordal_start", Definition: "chordal distance ‖sin θ‖, at the start and now, of the ", Unit: "1", Range: "[0, √r]"}, fromStart, geometry.Chordal)
)
