package update

import (
	"fmt"
	"math"
	"sync"
)

// A pool sums the squares of what all adapters are about to step by, so that their
// norm together can be clipped: every one tells its own before any one clips. Each has
// a place in it, so that the sum is the same in whatever order they tell. Optimizers
// that take turns may share it.
type pool struct {
	mu     sync.Mutex
	round  int // of telling and clipping, by which the places are of this step
	ended  bool
	places []told
}

// told is what one adapter told, in a round.
type told struct {
	round   int
	squares float64
}

// join returns a new place.
func (p *pool) join() int {
	p.places = append(p.places, told{round: -1})
	return len(p.places) - 1
}

func (p *pool) tell(place int, squares float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		p.round, p.ended = p.round+1, false
	}
	p.places[place] = told{p.round, squares}
}

// clip returns what to multiply with so that the norm is at most most; 0 is no
// bound.
func (p *pool) clip(most float64) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	var squares float64
	for _, t := range p.places {
		if t.round == p.round {
			squares += t.squares
		}
	}
	if norm := math.Sqrt(squares); most > 0 && norm > most && !math.IsInf(norm, 0) {
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
