package update

import (
	"fmt"
	"math"
)

// A pool sums the squares of what all adapters are about to step by, so that
// their norm together can be clipped: every one adds before any one clips.
type pool struct {
	squares float64
	full    bool // the sum is of a step that is under way
}

func (p *pool) add(squares float64) {
	if p.full {
		p.squares, p.full = 0, false
	}
	p.squares += squares
}

// clip returns what to multiply with so that the norm is at most most; 0 is no
// bound.
func (p *pool) clip(most float64) float64 {
	p.full = true
	if norm := math.Sqrt(p.squares); most > 0 && norm > most && !math.IsInf(norm, 0) {
		return most / norm
	}
	return 1
}

func checkClip(rule string, clip float64) error {
	if !(clip >= 0 && clip <= 1e6) {
		return fmt.Errorf("update: %s: clip is %v: must be in 0..1e6", rule, clip)
	}
	return nil
}
