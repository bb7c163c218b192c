package reference

import (
	"math"
	"slices"
	"testing"
)

func TestBatch(t *testing.T) {
	c := batch([][]int{{5, 6, 7}, {8}})
	if c.Batch != 2 || c.Tokens != 3 || !slices.Equal(c.IDs, []int32{5, 6, 7, 8, 0, 0}) || !slices.Equal(c.End, []int{3, 1}) {
		t.Errorf("%+v", c)
	}
}

func TestUnit(t *testing.T) {
	got := unit([]float32{1, 5, 2, -1}, 2) // the mean is (1.5, 2)
	for i, want := range []float64{0.6, 0.8} {
		if math.Abs(float64(got[i])-want) > 1e-7 {
			t.Errorf("%v", got)
		}
	}
}

func TestLongest(t *testing.T) {
	if most, many := longest([][]int{{1}, {1, 2}, {3, 4}}); most != 2 || many != 2 {
		t.Errorf("%d of %d", many, most)
	}
}
