package lora

import (
	"iter"
	"math"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
)

// sums are over the rows that entered maps, in float64.
type sums struct {
	of             *watch // the first of the maps
	rows           int
	mean           []float64
	second, scaled []float64  // in×in
	leading        *reduction // instead of them, or nil
}

func newSums(w *watch) *sums {
	if few(w.components, w.In) {
		return &sums{of: w, leading: newReduction(w.In, w.components)}
	}
	square := func() []float64 { return make([]float64, w.In*w.In) }
	return &sums{of: w, mean: make([]float64, w.In), second: square(), scaled: square()}
}

// add adds the rows of a batch: some of them at a time in float32, all of them in
// float64.
func (s *sums) add(passes []pass) error {
	n := s.of.In
	var all [][]float32
	for _, p := range passes {
		m, n := ag.Dims(p.x)
		all = append(all, p.unpadded(m, n, ag.Floats(p.x))...)
	}
	s.rows += len(all)
	if s.leading != nil {
		return s.leading.add(all)
	}
	rows := make([]float32, 0, len(all)*n)
	largest := math.Inf(-1)
	for _, row := range all {
		rows = append(rows, row...)
		for j, v := range row {
			s.mean[j] += float64(v)
			largest = max(largest, float64(v))
		}
	}
	c := 1.0
	if largest != 0 && !math.IsInf(largest, 0) {
		c = 1 / (largest * largest)
	}
	const atOnce = 512 // rows, whose sums lose some 1e-6 in float32
	square := make([]float32, n*n)
	for block := range slices.Chunk(rows, atOnce*n) {
		for at := range strips(n) { // what is right of the diagonal, and a little more
			kernels.MatMul(kernels.TN, false, min(strip, n-at), n-at, len(block)/n, block[at:], n, block[at:], n, square[at*n+at:], n)
		}
		kernels.Parallel(n, func(i int) {
			for j := i*n + i; j < (i+1)*n; j++ {
				v := float64(square[j])
				s.second[j] += v
				s.scaled[j] += c * v
			}
		})
	}
	return nil
}

// strip is how many columns of rows are multiplied by all that follow.
const strip = 256

// strips yields the first column of each strip of n.
func strips(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for at := 0; at < n; at += strip {
			if !yield(at) {
				return
			}
		}
	}
}

// mirror copies what is right of the diagonal of x, n×n, to its left.
func mirror(x []float64, n int) {
	for i := range n {
		for j := range i {
			x[i*n+j] = x[j*n+i]
		}
	}
}
