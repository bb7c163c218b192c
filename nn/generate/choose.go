package generate

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// A chooser chooses tokens by their logits.
type chooser struct {
	Options
	rng *rand.Rand
	all []candidate
}

type candidate struct {
	id int32
	p  float64 // its logit, then its weight
}

// next returns the id of the next token. Of equal logits the first is taken.
func (c *chooser) next(logits []float32) int32 {
	if c.Temperature == 0 {
		best := 0
		for i, x := range logits {
			if x > logits[best] {
				best = i
			}
		}
		return int32(best)
	}
	c.all = c.all[:0]
	for i, x := range logits {
		c.all = append(c.all, candidate{int32(i), float64(x) / c.Temperature})
	}
	slices.SortStableFunc(c.all, func(a, b candidate) int { return cmp.Compare(b.p, a.p) })
	kept := c.all
	if c.TopK > 0 && c.TopK < len(kept) {
		kept = kept[:c.TopK]
	}
	var sum float64
	for i, most := len(kept)-1, kept[0].p; i >= 0; i-- { // small ones first
		kept[i].p = math.Exp(kept[i].p - most)
		sum += kept[i].p
	}
	if c.TopP > 0 {
		kept, sum = nucleus(kept, sum, c.TopP)
	}
	at := c.rng.Float64() * sum
	for _, k := range kept {
		if at -= k.p; at < 0 {
			return k.id
		}
	}
	return kept[len(kept)-1].id
}

// nucleus returns the first candidates, of weights that sum to so much, whose
// share reaches p, and their sum.
func nucleus(all []candidate, sum, p float64) ([]candidate, float64) {
	var reached float64
	for i, k := range all {
		if reached += k.p; reached >= p*sum {
			return all[:i+1], reached
		}
	}
	return all, sum
}
