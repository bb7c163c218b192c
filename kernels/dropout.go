package kernels

import (
	"fmt"
	"math"
)

// Dropout sets each element of x to zero with probability p and multiplies the
// others by 1/(1-p) (arXiv 1207.0580):
//
//	y_i = 0 or x_i/(1-p)
//
// Which ones is decided by seed and counter alone, the same at every level and for
// any number of threads: by the words of Philox4x32-7 (Salmon et al., Parallel
// Random Numbers: As Easy as 1, 2, 3, 2011) with the key seed, at the 128-bit
// counter of which the upper half is counter. So a call with another counter is
// independent of this one, and nothing need be kept for DropoutGrad. p counts in
// units of 2^-32. y may be x. It panics if the lengths differ or p is not in [0, 1).
func Dropout(y, x []float32, p float64, seed, counter uint64) {
	checkLen("Dropout", "x", len(x), "y", len(y))
	checkProbability("Dropout", p)
	dropoutSpans.elements(len(y), dropping{y, x, newDropoutTable(p, seed, counter, false)})
}

// DropoutGrad is the gradient of Dropout: it drops the same elements of dy, and
// adds to dx if acc is set. dx may be dy if it is not.
func DropoutGrad(dx, dy []float32, p float64, seed, counter uint64, acc bool) {
	checkLen("DropoutGrad", "dy", len(dy), "dx", len(dx))
	checkProbability("DropoutGrad", p)
	dropoutSpans.elements(len(dx), dropping{dx, dy, newDropoutTable(p, seed, counter, acc)})
}

func checkProbability(fn string, p float64) {
	if !(p >= 0 && p < 1) {
		panic(fmt.Sprintf("kernels: %s: p = %g, need 0 ≤ p < 1", fn, p))
	}
}

// A dropping is a call of Dropout or DropoutGrad.
type dropping struct {
	y, x  []float32
	table dropoutTable
}

// A span begins at a multiple of grain, and so with a whole group.
var dropoutSpans = spans[dropping]{body: func(d dropping, from, to int) {
	y, x, block := d.y[from:to], d.x[from:to], uint64(from)/4
	whole := len(y) &^ (dropoutGroup - 1)
	dropoutGroups(y[:whole], x[:whole], &d.table, block)
	dropoutGeneric(y[whole:], x[whole:], &d.table, block+uint64(whole)/4)
}}

// dropoutGroup is how many elements are drawn together: of 16 consecutive blocks of
// four words, the first words for the first 16 elements, and so on.
const dropoutGroup = 64

// A dropoutTable is what a call draws with, in rows of sixteen equal numbers as the
// assembly reads it: the keys of each round, the two multipliers, the upper half of
// the counter, the threshold and the scale, and ones if y is added to.
type dropoutTable [dropoutRows * 8]uint64

const (
	dropoutRounds      = 7
	dropoutMultipliers = 2 * dropoutRounds
	dropoutCounter     = dropoutMultipliers + 2
	dropoutThreshold   = dropoutCounter + 2
	dropoutScale       = dropoutThreshold + 1
	dropoutKeep        = dropoutScale + 1
	dropoutRows        = dropoutKeep + 1
)

func newDropoutTable(p float64, seed, counter uint64, acc bool) (t dropoutTable) {
	set := func(row int, v uint32) {
		for i := range 8 {
			t[8*row+i] = uint64(v)<<32 | uint64(v)
		}
	}
	k0, k1 := uint32(seed), uint32(seed>>32)
	for round := range dropoutRounds {
		set(2*round, k0)
		set(2*round+1, k1)
		k0 += 0x9e3779b9
		k1 += 0xbb67ae85
	}
	set(dropoutMultipliers, 0xd2511f53)
	set(dropoutMultipliers+1, 0xcd9e8d57)
	set(dropoutCounter, uint32(counter))
	set(dropoutCounter+1, uint32(counter>>32))
	// An element is kept if its word, as a signed number, is not below this.
	set(dropoutThreshold, uint32(min(math.Round(p*(1<<32)), 1<<32-1))^1<<31)
	if acc {
		set(dropoutKeep, math.MaxUint32)
	}
	set(dropoutScale, math.Float32bits(float32(1/(1-p))))
	return t
}

// philox returns the words of one block.
func (t *dropoutTable) philox(block uint64) [4]uint32 {
	at := func(row int) uint32 { return uint32(t[8*row]) }
	c := [4]uint32{uint32(block), uint32(block >> 32), at(dropoutCounter), at(dropoutCounter + 1)}
	for round := range dropoutRounds {
		p := uint64(at(dropoutMultipliers)) * uint64(c[0])
		q := uint64(at(dropoutMultipliers+1)) * uint64(c[2])
		c = [4]uint32{uint32(q>>32) ^ c[1] ^ at(2*round), uint32(q), uint32(p>>32) ^ c[3] ^ at(2*round+1), uint32(p)}
	}
	return c
}

// dropoutGeneric drops elements from the beginning of the group of block on.
func dropoutGeneric(y, x []float32, t *dropoutTable, block uint64) {
	threshold, scale := int32(t[8*dropoutThreshold]), math.Float32frombits(uint32(t[8*dropoutScale]))
	for first := 0; first < len(y); first += dropoutGroup {
		for lane := range dropoutGroup / 4 {
			for word, u := range t.philox(block + uint64(first/4+lane)) {
				i := first + dropoutGroup/4*word + lane
				if i >= len(y) {
					break
				}
				var v float32
				if int32(u) >= threshold {
					v = scale * x[i]
				}
				if t[8*dropoutKeep] != 0 {
					v += y[i]
				}
				y[i] = v
			}
		}
	}
}
