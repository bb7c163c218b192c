package probe

import (
	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/lora/geometry"
)

// A pair of subspaces is what a product writes into and what it reads: the column
// space of B and the row space of A.
type subspaces struct{ left, right *mat.Dense }

// spans are the subspaces of a product's factors, now, before the step and at
// the start.
type spans struct{ now, before, start subspaces }

func (l *layer) spans() (*spans, error) {
	return l.span.get(l.p.tick, func(s *spans) error {
		now, err := l.now()
		if err != nil {
			return err
		}
		if gated(l.m) {
			return gatedStart
		}
		if s.now, err = spanOf(now); err != nil {
			return err
		}
		s.before, s.start = subspaces{}, subspaces{}
		if l.remembered && len(l.before.a) > 0 {
			if s.before, err = spanOf(l.before.of(l)); err != nil {
				return err
			}
		}
		if len(l.start.a) > 0 {
			s.start, err = spanOf(l.start.of(l))
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

// between makes the metrics of the left and the right subspaces that pick has.
func between(m Metric, pick func(s *spans) (from, to subspaces), of func(angles []float64) float64) []Metric {
	m.Unit, m.Gauge, m.Rescaling, m.Cost, m.Tier, m.Aggregate = "radian", Invariant, Unscaled, "14r²·d + 40r³", 2, Mean
	m.Source = "Björck and Golub, Math. Comp. 27, 1973"
	side := func(name, space string, of func(s *spans) (float64, error)) Metric {
		m := m
		m.Name += name
		m.Definition += space
		m.value = func(l *layer) (float64, error) {
			s, err := l.spans()
			if err != nil {
				return 0, err
			}
			return of(s)
		}
		return m
	}
	measure := func(p, q *mat.Dense) (float64, error) {
		if p == nil || q == nil {
			return 0, noSubspace
		}
		angles, err := geometry.Angles(p, q)
		if err != nil {
			return 0, err
		}
		return of(angles), nil
	}
	return []Metric{
		side("_a", "row space of A", func(s *spans) (float64, error) {
			from, to := pick(s)
			return measure(from.right, to.right)
		}),
		side("_b", "column space of B", func(s *spans) (float64, error) {
			from, to := pick(s)
			return measure(from.left, to.left)
		}),
	}
}

const noSubspace Undefined = "a factor is zero, or was not observed: it has no subspace"

func largest(angles []float64) float64 { return angles[len(angles)-1] }

func inStep(s *spans) (from, to subspaces)    { return s.before, s.now }
func fromStart(s *spans) (from, to subspaces) { return s.start, s.now }

var (
	angleStep     = between(Metric{Name: "angle_step", Definition: "largest principal angle, before and after the step, of the ", Range: "[0, π/2]"}, inStep, largest)
	angleStart    = between(Metric{Name: "angle_start", Definition: "largest principal angle, at the start and now, of the ", Range: "[0, π/2]"}, fromStart, largest)
	distanceStep  = between(Metric{Name: "distance_step", Definition: "Grassmann distance ‖θ‖, before and after the step, of the ", Range: "[0, √r·π/2]"}, inStep, geometry.Geodesic)
	distanceStart = between(Metric{Name: "distance_start", Definition: "Grassmann distance ‖θ‖, at the start and now, of the ", Range: "[0, √r·π/2]"}, fromStart, geometry.Geodesic)
)
