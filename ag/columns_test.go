package ag_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
)

func TestColumns(t *testing.T) {
	for _, c := range []struct{ rows, cols, from, n int }{{3, 12, 0, 4}, {5, 9, 3, 3}, {1, 7, 6, 1}, {4, 5, 0, 5}, {2, 4, 4, 0}} {
		x := agtest.Random(c.rows, c.cols, 1)
		build := func(in []ag.Tensor) ag.Function { return ag.NewColumns(in[0], c.from, c.n) }
		if err := agtest.Check(build, []*ag.Variable{x}, agtest.Options{}); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
		y := ag.NewTape().Run(ag.NewColumns(x, c.from, c.n))
		for i := range c.rows {
			if got, want := ag.Floats(y)[i*c.n:][:c.n], x.Floats()[i*c.cols+c.from:][:c.n]; !slices.Equal(got, want) {
				t.Errorf("%+v: row %d is %v, want %v", c, i, got, want)
			}
		}
	}
}

func TestColumnsErrors(t *testing.T) {
	x := ag.NewVariable(2, 6, nil)
	for _, c := range [][2]int{{-1, 2}, {0, -1}, {0, 7}, {5, 2}, {7, 0}, {6, math.MaxInt}} {
		var shape *ag.ShapeError
		if err := ag.Guard(func() { ag.NewColumns(x, c[0], c[1]) }); !errors.As(err, &shape) {
			t.Errorf("columns %v of 6: error %v", c, err)
		}
	}
}
