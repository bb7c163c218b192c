package ag_test

import (
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/nlpodyssey/spago/mat"
)

// A variable shares the values it was made of, and keeps one gradient buffer
// for its life.
func TestVariable(t *testing.T) {
	data := []float32{1, 2, 3, 4, 5, 6}
	v := ag.NewParameter(2, 3, data)
	data[5] = 7
	if v.Rows() != 2 || v.Cols() != 3 || v.ScalarAt(1, 2).F32() != 7 || !v.RequiresGrad() || ag.NewVariable(1, 1, nil).RequiresGrad() {
		t.Error("shape, values or the need of a gradient are wrong")
	}
	if v.HasGrad() || v.Grad() != nil || v.GradFloats() != nil {
		t.Error("a new variable has a gradient")
	}

	g := mat.NewDense[float32](mat.WithShape(2, 3), mat.WithBacking([]float32{1, 1, 2, 2, 3, 3}))
	v.AccGrad(g)
	buffer := v.GradFloats()
	v.AccGrad(g)
	if want := []float32{2, 2, 4, 4, 6, 6}; !slices.Equal(v.GradFloats(), want) {
		t.Errorf("the gradient is %v, want %v", v.GradFloats(), want)
	}
	v.ZeroGrad()
	if v.HasGrad() {
		t.Error("ZeroGrad left a gradient")
	}
	v.AccGrad(mat.NewDense[float64](mat.WithShape(2, 3), mat.WithBacking([]float64{1, 1, 2, 2, 3, 3})))
	if !slices.Equal(v.GradFloats(), ag.Floats(g)) || &v.GradFloats()[0] != &buffer[0] {
		t.Errorf("the gradient is %v after ZeroGrad, want %v in the same buffer", v.GradFloats(), ag.Floats(g))
	}
	if ag.Floats(g)[0] != 1 {
		t.Error("the given gradient was changed")
	}
	defer func() {
		if want := "ag: AccGrad: the gradient has 1 values, the matrix is 2×3"; recover() != want {
			t.Error("a gradient of another size was taken")
		}
		v.AccGrad(g) // the lock is free
	}()
	v.AccGrad(ag.NewVariable(1, 1, nil))
}

// A workspace lends what it was given back, by shape.
func TestWorkspace(t *testing.T) {
	w := ag.NewWorkspace()
	a := w.Get(2, 3)
	if b := w.Get(2, 3); b == a {
		t.Error("one buffer was lent twice")
	}
	w.Put(a)
	if w.Get(3, 2) == a || w.Get(2, 3) != a || w.Bytes() != 3*24 {
		t.Errorf("%d bytes, want 72: a buffer that came back was not lent again", w.Bytes())
	}
}
