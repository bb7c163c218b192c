package chart

import (
	"math"
	"strings"
	"testing"
)

// A point between two gaps is seen: it has a mark, where the others are joined.
func TestPointAlone(t *testing.T) {
	draw := func(y ...float64) int {
		s := Series{Name: "s", Line: true, X: []float64{1, 2, 3, 4, 5}, Y: y}
		return strings.Count(Plot{Width: 400, Height: 200, X: Axis{Title: "step"}, Y: Axis{Title: "y"}, Series: []Series{s}}.SVG(), `class="k"`)
	}
	nan := math.NaN()
	whole := draw(1, 2, 3, 4, 5)
	if got := draw(1, 2, nan, 4, nan) - whole; got != 1 {
		t.Errorf("%d marks for one point between gaps", got)
	}
	if got := draw(nan, nan, nan, nan, 5) - whole; got != 1 {
		t.Errorf("%d marks for one point behind a gap", got)
	}
}
