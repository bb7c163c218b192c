package kernels

import (
	"fmt"
	"math"
	"testing"
)

// A rowSize is a case of a row-wise function: rows of n elements, pad more from one
// row to the next.
type rowSize struct{ rows, n, pad int }

func (s rowSize) String() string { return fmt.Sprintf("rows=%d n=%d pad=%d", s.rows, s.n, s.pad) }

// rowSizes are nothing, one, all odd edges up to two vectors and one, and sizes
// that threads share by rows and by columns.
func rowSizes() []rowSize {
	sizes := []rowSize{{0, 0, 0}, {0, 5, 0}, {3, 0, 2}}
	for n := 1; n < 18; n++ {
		sizes = append(sizes, rowSize{1 + n%3, n, n % 4})
	}
	return append(sizes, rowSize{5, 33, 7}, rowSize{2, 64, 0}, rowSize{3, 130, 1}, rowSize{300, 200, 3})
}

// checkRows compares the rows of y with want, to an absolute bound, and looks at
// its canaries.
func checkRows(t *testing.T, s rowSize, y *guarded, want []float64, bound float64) {
	t.Helper()
	for i := range y.rows {
		for j := range y.cols {
			got, want := float64(y.x[i*y.ld+j]), want[i*y.cols+j]
			if !(math.Abs(got-want) <= bound) && !(math.IsNaN(got) && math.IsNaN(want)) {
				t.Fatalf("%v: %s[%d][%d] = %g, want %g ± %.2g", s, y.name, i, j, got, want, bound)
			}
		}
	}
	if err := y.check(false); err != nil {
		t.Fatalf("%v: %v", s, err)
	}
}

// freeze makes what is there the state that check compares with.
func (g *guarded) freeze() { copy(g.before, g.all) }

func checkReadOnly(t *testing.T, s rowSize, operands ...*guarded) {
	t.Helper()
	for _, g := range operands {
		if err := g.check(true); err != nil {
			t.Fatalf("%v: %v", s, err)
		}
	}
}

// doubles returns row i as float64.
func (g *guarded) doubles(i int) []float64 {
	row := make([]float64, g.cols)
	for j := range row {
		row[j] = float64(g.x[i*g.ld+j])
	}
	return row
}

// was returns element (i, j) before the call if a gradient is added to it, else 0.
func (g *guarded) was(acc bool, i, j int) float64 {
	if !acc {
		return 0
	}
	return float64(g.before[guard+i*g.ld+j])
}

// gradient is that of Σ_j dy_j·f(x)_j by central differences: step 1e-5 of a
// function of numbers around 1 errs by less than 1e-8.
func gradient(f func(x []float64) []float64, x, dy []float64) []float64 {
	const h = 1e-5
	value := func() float64 {
		var s float64
		for j, y := range f(x) {
			s += dy[j] * y
		}
		return s
	}
	g := make([]float64, len(x))
	for j, v := range x {
		x[j] = v + h
		up := value()
		x[j] = v - h
		g[j] = (up - value()) / (2 * h)
		x[j] = v
	}
	return g
}

// checkBatch holds a row-wise function to one result: run computes the first rows
// rows into y, and each row must be the same bits alone (run with first = i, rows =
// 1), and all of them for any number of threads.
func checkBatch(t *testing.T, rows, n int, run func(first, rows int, y []float32)) {
	t.Helper()
	want := make([]float32, rows*n)
	run(0, rows, want)
	for _, i := range []int{0, 1, rows / 2, rows - 1} {
		row := make([]float32, n)
		run(i, 1, row)
		if err := sameBits(row, want[i*n:(i+1)*n]); err != nil {
			t.Fatalf("row %d alone: %v", i, err)
		}
	}
	err := onThreads(func() error {
		got := make([]float32, rows*n)
		run(0, rows, got)
		return sameBits(got, want)
	})
	if err != nil {
		t.Fatal(err)
	}
}
