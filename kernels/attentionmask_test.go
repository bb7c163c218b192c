package kernels

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// seen returns the keys that query i of sequence b sees, one by one from Mask's doc.
func seen(m Mask, b, i, keys int) (seen []int) {
	for j := range keys {
		padding := m.First != nil && j < m.First[b] || m.End != nil && j >= m.End[b]
		later := m.Causal && j > i+m.Offset
		far := m.Window > 0 && max(i+m.Offset-j, j-i-m.Offset) >= m.Window
		if !padding && !later && !far {
			seen = append(seen, j)
		}
	}
	return seen
}

// The runs of a mask are the keys that its doc names, in any block of them, and
// neither end goes back.
func TestMaskSees(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		keys := r.IntN(9)
		m := Mask{Causal: r.IntN(2) > 0, Offset: r.IntN(5), Window: r.IntN(5)}
		if r.IntN(2) > 0 {
			m.First = []int{r.IntN(keys + 1)}
		}
		if r.IntN(2) > 0 {
			m.End = []int{r.IntN(keys + 1)}
		}
		before := run{}
		for i := range 12 {
			whole := m.sees(0, i, keys)
			if whole.from < before.from || whole.to < before.to || whole.to < whole.from || whole.to > keys {
				t.Fatalf("%+v: of %d keys, query %d sees %v after %v", m, keys, i, whole, before)
			}
			before = whole
			var got []int
			for first := 0; first < keys; first += 3 {
				for part, j := whole.within(first, 3), 0; j < 3; j++ {
					if j >= part.from && j < part.to {
						got = append(got, first+j)
					}
				}
			}
			if want := seen(m, 0, i, keys); !slices.Equal(got, want) {
				t.Fatalf("%+v: of %d keys, query %d sees %v, want %v", m, keys, i, got, want)
			}
		}
	}
	far := Mask{Offset: math.MaxInt - 9, Window: math.MaxInt, Causal: true}
	if r := far.sees(0, 8, 5); far.Check(1, 9, 5) != nil || r != (run{0, 5}) {
		t.Errorf("%+v: query 8 sees %v of 5 keys", far, r)
	}
}
