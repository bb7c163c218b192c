package main

import (
	"math"
	"testing"

	"github.com/lowrank/lowrank/experiments/notebooks/notebookstest"
	"github.com/lowrank/lowrank/lora"
)

func TestShortForm(t *testing.T) {
	notebookstest.Short(t, source, teacherStudent, 2, "teacher 2: loss", "scaled-gd", "not within 1 %")
}

// No training gets below the optimum, and full rank gets to it: the optimum of
// full rank is that of least squares, and of rank 0 the loss of W0.
func TestOptimum(t *testing.T) {
	teacher := newTeacher(8, 6, 64, 2, 1)
	method, err := lora.Row("lora-pro-sgd")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := teacher.steps(method, 1, 1, 1.001*teacher.optimum, 2000); err != nil || math.IsInf(n, 1) {
		t.Errorf("the optimum is not reached: %v, %v", n, err)
	}
	if n, err := teacher.steps(method, 1, 1, 0.999*teacher.optimum, 2000); err != nil || !math.IsInf(n, 1) {
		t.Errorf("a loss below the optimum is reached after %v steps, %v", n, err)
	}
	pissa, err := lora.Row("pissa")
	if err != nil {
		t.Fatal(err)
	}
	if floor, err := teacher.reachable(pissa, 1); err != nil || !(floor > 1.01*teacher.optimum) {
		t.Errorf("the optimum of a start that was taken out of the base is %v, %v; on W0 it is %v", floor, err, teacher.optimum)
	}
	if !(teacher.optimum < 0.5*teacher.start) {
		t.Errorf("the optimum is %v, the start %v", teacher.optimum, teacher.start)
	}
}
