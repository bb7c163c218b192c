package main

import (
	"bytes"
	"context"
	"math"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/experiments/notebooks"
	"github.com/lowrank/lowrank/lora"
)

func TestShortForm(t *testing.T) {
	var screen, file bytes.Buffer
	nb, err := notebooks.New(source, equivalentGradient, &screen)
	if err != nil {
		t.Fatal(err)
	}
	nb.Dir, nb.Short = t.TempDir(), true
	if err := equivalentGradient(context.Background(), nb); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"captured energy at the start is ‖G·P_A‖²/‖G‖² to 1e-4: true",
		"gradient descent have alignment 1 throughout: true",
		"LoRA-GA's factors see more of G than LoRA's: true",
	} {
		if !strings.Contains(screen.String(), want) {
			t.Errorf("the conclusion does not say %q", want)
		}
	}
	if strings.Contains(screen.String(), "NaN") {
		t.Error("a number is missing")
	}
	if err := nb.Write(&file); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(file.String(), `"image/svg+xml"`); n != 5 {
		t.Errorf("the notebook has %d figures, want 5", n)
	}
	if t.Failed() {
		t.Log(screen.String())
	}
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
