package report

import "math"

// tolerance is how much above a method's best median loss a learning rate
// still counts as good.
const tolerance = 0.01

// goodRange is the span of learning rates around a method's best one.
type goodRange struct {
	low, high         float64
	openLow, openHigh bool // it reaches the end of the grid, and may go on
}

// decades is the width of the range in powers of ten.
func (g goodRange) decades() float64 { return math.Log10(g.high / g.low) }

// good returns the learning rates around the best one whose median loss is at
// most tolerance above the best: where the loss crosses that line between two
// tried rates, the place is interpolated linearly in log(learning rate). Next
// to a rate whose median is infinite (diverged) the range ends at the last
// finite one.
func (m *method) good() goodRange {
	limit := m.best.median + tolerance*math.Abs(m.best.median)
	centre := 0
	for i := range m.rates {
		if m.rates[i].lr == m.best.lr {
			centre = i
		}
	}
	var g goodRange
	g.low, g.openLow = m.walk(centre, -1, limit)
	g.high, g.openHigh = m.walk(centre, +1, limit)
	return g
}

// walk goes from the best rate one way until the loss exceeds limit.
func (m *method) walk(i, way int, limit float64) (lr float64, open bool) {
	for {
		next := i + way
		if next < 0 || next >= len(m.rates) {
			return m.rates[i].lr, true
		}
		here, there := m.rates[i], m.rates[next]
		if !finite(there.median) {
			return here.lr, false
		}
		if there.median > limit {
			part := (limit - here.median) / (there.median - here.median)
			return here.lr * math.Pow(there.lr/here.lr, part), false
		}
		i = next
	}
}
