package ag_test

import (
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
	"github.com/nlpodyssey/spago/mat"
)

// The values of variables and outputs are shared and counted once, those of
// other tensors copied.
func TestReshape(t *testing.T) {
	tape := ag.NewTape()
	x := agtest.Random(2, 6, 1)
	scaled := tape.Run(ag.NewScale(x, 2))
	memory := tape.Bytes()
	y := tape.Run(ag.NewReshape(scaled, 4, 3))
	if &ag.Floats(y)[0] != &ag.Floats(scaled)[0] {
		t.Error("the values of an output were copied")
	}
	if tape.Bytes() != memory {
		t.Errorf("a shared output takes %d bytes", tape.Bytes()-memory)
	}
	x.Floats()[0]++
	if tape.Replay(); !slices.Equal(ag.Floats(y), ag.Floats(scaled)) {
		t.Error("a replay does not see new values")
	}

	dense := mat.NewDense[float32](mat.WithShape(2, 2), mat.WithBacking([]float32{1, 2, 3, 4}))
	z := tape.Run(ag.NewReshape(dense, 1, 4))
	if !slices.Equal(ag.Floats(z), []float32{1, 2, 3, 4}) {
		t.Errorf("the values of a matrix are %v", ag.Floats(z))
	}
	dense.SetAt(mat.Scalar(float32(5)), 0, 0)
	if tape.Replay(); ag.Floats(z)[0] != 5 {
		t.Error("a replay does not see new values of a matrix")
	}
}

// Its gradient adds to that of another reader of x.
func TestReshapeGradient(t *testing.T) {
	tape := ag.NewTape()
	x := agtest.Random(2, 2, 1)
	y := tape.Run(ag.NewReshape(x, 1, 4))
	here := tape.Run(ag.NewWeightedMean(y, []float32{4, 8, 12, 16}))
	there := tape.Run(ag.NewWeightedMean(x, []float32{40, 0, 0, 80}))
	if err := tape.Backward(tape.Run(ag.NewSum([]float32{1, 1}, here, there))); err != nil {
		t.Fatal(err)
	}
	if want := []float32{11, 2, 3, 24}; !slices.Equal(x.GradFloats(), want) {
		t.Errorf("the gradient is %v, want %v", x.GradFloats(), want)
	}
}
