package chart

import (
	"math"
	"slices"
)

// Downsample returns the indices of at most about 2·columns points of the
// curve (x, y) that draw the same line: of every column of equal width it keeps
// the lowest and the highest point, so that no spike is lost, and the first and
// last of all. x must not fall. Where y is not a number the gap is kept.
func Downsample(x, y []float64, columns int) []int {
	n := min(len(x), len(y))
	if n <= 2*columns || columns < 1 || !(x[n-1] > x[0]) || math.IsInf(x[n-1]-x[0], 0) {
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		return all
	}
	column := func(i int) int {
		return min(int((x[i]-x[0])/(x[n-1]-x[0])*float64(columns)), columns-1)
	}
	kept := []int{0}
	keep := func(i int) {
		if i > kept[len(kept)-1] {
			kept = append(kept, i)
		}
	}
	for start := 0; start < n; {
		end, low, high, gap := start, -1, -1, -1
		for ; end < n && column(end) == column(start); end++ {
			switch {
			case math.IsNaN(y[end]):
				gap = end
			case low < 0:
				low, high = end, end
			case y[end] < y[low]:
				low = end
			case y[end] > y[high]:
				high = end
			}
		}
		order := [3]int{low, high, gap}
		slices.Sort(order[:])
		for _, i := range order {
			if i >= 0 {
				keep(i)
			}
		}
		start = end
	}
	keep(n - 1)
	return kept
}
