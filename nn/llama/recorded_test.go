package llama_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/llama"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// testdata is a LlamaForCausalLM that transformers saved, random in all
// weights, with a batch of 3×12 tokens padded on the right, and the loss,
// logits and gradients that it gave for them.

// atEachLevel runs f at every SIMD level of this machine.
func atEachLevel(t *testing.T, f func(t *testing.T)) {
	before := kernels.Active()
	defer kernels.SetLevel(before)
	for _, level := range kernels.Levels() {
		if err := kernels.SetLevel(level); err != nil {
			t.Fatal(err)
		}
		t.Run(level.String(), f)
	}
}

func load(t *testing.T) *llama.Model {
	t.Helper()
	m, err := pretrained.Load("testdata")
	if err != nil {
		t.Fatal(err)
	}
	return m.(*llama.Model)
}

// batch reads the recorded ids and the targets of the next token.
func batch(t *testing.T) (ids, targets []int32, mask []int64) {
	t.Helper()
	in, err := pretrained.ReadSafetensors("testdata/inputs.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) []int64 {
		v, err := in.Ints(name)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	labels := read("labels")
	for i, id := range read("input_ids") {
		ids = append(ids, int32(id))
		target := int32(-1)
		if i%12 < 11 && labels[i+1] >= 0 {
			target = int32(labels[i+1])
		}
		targets = append(targets, target)
	}
	return ids, targets, read("attention_mask")
}

// forward builds the logits on a tape of its own.
func forward(t *testing.T, m *llama.Model, batch int, ids []int32) (*nn.Context, ag.Tensor) {
	t.Helper()
	c := &nn.Context{Tape: ag.NewTape(), Batch: batch, Tokens: len(ids) / batch, IDs: ids}
	var logits ag.Tensor
	if err := ag.Guard(func() { logits = m.Forward(c) }); err != nil {
		t.Fatal(err)
	}
	return c, logits
}

// near fails where got and want differ by more than abs + rel·|want|.
func near(t *testing.T, name string, got, want []float32, abs, rel float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", name, len(got), len(want))
		return
	}
	worst, at := 0.0, -1
	for i := range got {
		d := math.Abs(float64(got[i]) - float64(want[i]))
		if over := d / (abs + rel*math.Abs(float64(want[i]))); !(over <= 1) && !(over <= worst) {
			worst, at = over, i
		}
	}
	if at >= 0 {
		t.Errorf("%s[%d] = %g, want %g: %.1f times the tolerance", name, at, got[at], want[at], worst)
	}
}

// TestRecorded compares logits, loss and the gradient of every tensor with
// what transformers recorded. The mask only hides padding, which stands on
// the right: no row before it sees it, and the loss ignores it.
func TestRecorded(t *testing.T) {
	want, err := pretrained.ReadSafetensors("testdata/base_outputs.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	tensor := func(name string) []float32 {
		x, err := want.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		return x.Data
	}
	ids, targets, mask := batch(t)
	atEachLevel(t, func(t *testing.T) {
		m := load(t)
		m.SetTrained(true)
		c, logits := forward(t, m, 3, ids)
		loss := c.Run(ag.NewCrossEntropy(logits, targets))
		if err := c.Backward(loss); err != nil {
			t.Fatal(err)
		}

		// Sums of up to 80 float32 products in another order, through two
		// blocks; logits reach 2, gradients 0.1.
		const abs, rel = 2e-6, 2e-5
		got, ref := ag.Floats(logits), tensor("logits")
		for i, real := range mask {
			if real == 1 {
				row := func(x []float32) []float32 { return x[i*m.Config.VocabSize : (i+1)*m.Config.VocabSize] }
				near(t, fmt.Sprintf("logits %d", i), row(got), row(ref), abs, rel)
			}
		}
		near(t, "loss", ag.Floats(loss), tensor("loss"), 0, 1e-6)
		for _, p := range m.Params() {
			near(t, "grad."+p.Name, p.GradFloats(), tensor("grad."+p.Name), abs, rel)
		}
		if n := len(want.Names()) - len(m.Params()); n != 5 { // loss, logits, three hidden states
			t.Errorf("%d recorded tensors are not compared, want 5", n)
		}
	})
}
