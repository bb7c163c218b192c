package main

import (
	"math"
	"testing"

	"github.com/lowrank/lowrank/experiments/notebooks/notebookstest"
	"github.com/lowrank/lowrank/lora"
)

func TestShortForm(t *testing.T) {
	notebookstest.Short(t, source, equivalentGradient, 5,
		"captured energy at the start is ‖G·P_A‖²/‖G‖² to 1e-4: true",
		"gradient descent have alignment 1 throughout: true",
		"LoRA-GA's factors see more of G than LoRA's: true",
	)
}

// What is put together from a step and from the batch after the step before is of
// the same factors: on one map 1 − cos²(g̃, G) is the gap that the probe has.
func TestCourse(t *testing.T) {
	method, err := lora.Row("lora")
	if err != nil {
		t.Fatal(err)
	}
	at := []int{1, 2, 5}
	c, err := newTask([]int{8, 6}, 2, 32, 1).run(method, 0.1, 5, at)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range at {
		cos, gap := c.follows(step), c.value(step, "gradient_gap")
		if math.Abs(1-cos*cos-gap) > 1e-5 || !(gap > 0) { // the gradients are float32
			t.Errorf("step %d: cos(g̃, G) is %v, the gap %v", step, cos, gap)
		}
	}
}
