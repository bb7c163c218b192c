package ag_test

import (
	"math"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
)

// Rows behind a cache are rotated as in the whole sequence, and a scale of two
// doubles them.
func TestRoPEOffset(t *testing.T) {
	const tokens, heads, dim, cached, theta = 7, 3, 8, 4, 100
	x := agtest.Random(tokens, heads*dim, 1)
	forward := func(f ag.Function) []float32 {
		y, err := f.Forward()
		if err != nil {
			t.Fatal(err)
		}
		return ag.Floats(y)
	}
	whole := forward(ag.NewRoPE(x, heads, dim, tokens, theta))
	o := ag.RoPEOptions{Offset: cached}
	for i := range dim / 2 {
		o.Frequencies = append(o.Frequencies, math.Pow(theta, -2*float64(i)/dim))
	}
	behind := ag.NewVariable(tokens-cached, heads*dim, x.Floats()[cached*heads*dim:])
	part := forward(ag.NewRoPEWith(behind, heads, dim, tokens-cached, o))
	if !slices.Equal(part, whole[cached*heads*dim:]) {
		t.Error("rows behind a cache are not those of the whole sequence")
	}
	o.Scale = 2
	for i, v := range forward(ag.NewRoPEWith(behind, heads, dim, tokens-cached, o)) {
		if v != 2*part[i] {
			t.Fatalf("entry %d is %g at scale 2, and %g at 1", i, v, part[i])
		}
	}
}
