package ag_test

import (
	"math"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
)

func TestCrossEntropy(t *testing.T) {
	z := agtest.Random(3, 5, 1)
	targets := []int32{4, -1, 0}
	f := ag.NewCrossEntropy(z, targets)
	tape := ag.NewTape()
	loss := tape.Run(f)
	losses := slices.Clone(f.Losses())
	near := func(what string, got, want float32) {
		t.Helper()
		if math.Abs(float64(got-want)) > 1e-6 { // a few units of rounding
			t.Errorf("%s is %g, want %g", what, got, want)
		}
	}
	if f.Count() != 2 || losses[1] != 0 {
		t.Errorf("count %d, losses %v: want 2, and 0 for the ignored row", f.Count(), losses)
	}
	near("the mean", ag.Floats(loss)[0], (losses[0]+losses[2])/2)

	// The divisor of a step of micro-batches makes their sum the step's mean.
	f.SetDivisor(8)
	tape.Replay()
	near("with divisor 8", ag.Floats(loss)[0], (losses[0]+losses[2])/8)
	if err := tape.Backward(loss); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(f.Losses(), losses) {
		t.Error("Backward changed the losses")
	}
	p := wide(z).softmax()
	for j := range 5 {
		near("the gradient", z.GradFloats()[10+j], float32(p.at(2, j))/8-map[bool]float32{true: 1. / 8}[j == 0])
		if z.GradFloats()[5+j] != 0 {
			t.Error("an ignored row has a gradient")
		}
	}

	// Targets are read anew; none at all gives 0 and no NaN.
	f.SetDivisor(0)
	copy(targets, []int32{-1, -1, -1})
	tape.Replay()
	z.ZeroGrad()
	if err := tape.Backward(loss); err != nil {
		t.Fatal(err)
	}
	if f.Count() != 0 || ag.Floats(loss)[0] != 0 || slices.Max(z.GradFloats()) != 0 || slices.Min(z.GradFloats()) != 0 {
		t.Errorf("no targets: count %d, loss %g, gradient %v", f.Count(), ag.Floats(loss)[0], z.GradFloats())
	}
	copy(targets, []int32{4, -1, 0})
	tape.Replay()
	near("the mean again", ag.Floats(loss)[0], (losses[0]+losses[2])/2)
}
