package agtest

import (
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
)

// A square is y = x² and may break each promise.
type square struct {
	x, other ag.Tensor
	y        *ag.Variable
	fault    string
	runs     int
	leak     []float32
}

func newSquare(in []ag.Tensor, fault string) *square {
	rows, cols := ag.Dims(in[0])
	return &square{x: in[0], other: in[1], y: ag.NewVariable(rows, cols, nil), fault: fault}
}

func (f *square) Operands() []ag.Tensor { return []ag.Tensor{f.x} }

func (f *square) Forward() (ag.Tensor, error) {
	if f.fault == "replay" {
		f.runs++
	}
	if f.fault == "allocation" {
		f.leak = make([]float32, 1)
	}
	for i, x := range ag.Floats(f.x) {
		f.y.Floats()[i] = x*x + float32(f.runs)
	}
	return f.y, nil
}

func (f *square) Backward(gy ag.Tensor) error {
	x, dy := ag.Floats(f.x), ag.Floats(gy)
	if f.fault == "other" {
		f.other.AccGrad(f.other)
	}
	if f.fault == "values" {
		x[0]++
	}
	if f.fault == "missing" || !f.x.RequiresGrad() && f.fault != "frozen" {
		return nil
	}
	ag.Accumulate(f.x, func(dx []float32, acc bool) {
		for i := range dx {
			if !acc || f.fault == "overwrite" {
				dx[i] = 0
			}
			dx[i] += 2 * x[i] * dy[i]
		}
		switch f.fault {
		case "double":
			for i := range dx {
				if acc {
					dx[i] = 2 * 2 * x[i] * dy[i]
				}
			}
		case "all":
			for i := range dx {
				dx[i] *= 1.01
			}
		case "entry":
			dx[len(dx)-1] *= 1.1
		}
	})
	if f.fault == "twice" {
		f.x.AccGrad(ag.NewVariable(len(x), 1, nil))
	}
	return nil
}

// Check passes the right operator, and says what is wrong with each other.
func TestCheck(t *testing.T) {
	for fault, want := range map[string]string{
		"":           "",
		"all":        "differences give",
		"entry":      "at entry 14, differences give",
		"missing":    "input 0 has no gradient",
		"other":      "input 1 has a gradient, but is no trained operand",
		"values":     "the values of input 0 were changed",
		"overwrite":  "after 2 backward passes",
		"double":     "after 3 backward passes",
		"replay":     "another output in a replay",
		"twice":      "AccGrad was called 2 times",
		"allocation": "a step allocates 1 objects",
	} {
		err := Check(func(in []ag.Tensor) ag.Function { return newSquare(in, fault) },
			[]*ag.Variable{Random(3, 5, 1), Random(1, 1, 2)}, Options{})
		if want == "" && err != nil {
			t.Errorf("%v", err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("fault %q: the error is %v, want one with %q", fault, err, want)
		}
	}
}

// A frozen operand must get no gradient while another one is trained.
func TestCheckFrozen(t *testing.T) {
	err := Check(func(in []ag.Tensor) ag.Function { return &sum{newSquare(in, "frozen")} },
		[]*ag.Variable{Random(3, 5, 1), Random(3, 5, 2)}, Options{})
	if want := "input 0 is frozen while mask 10 is trained"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %v, want one with %q", err, want)
	}
}

// A sum is y = x² + other - other, so that other is an operand with gradient 0.
type sum struct{ *square }

func (f *sum) Operands() []ag.Tensor { return []ag.Tensor{f.x, f.other} }

func (f *sum) Backward(gy ag.Tensor) error {
	if f.other.RequiresGrad() {
		ag.Accumulate(f.other, func(g []float32, acc bool) {
			if !acc {
				clear(g)
			}
		})
	}
	return f.square.Backward(gy)
}
