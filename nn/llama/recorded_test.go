package llama_test

import (
	"fmt"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/llama"
	"github.com/lowrank/lowrank/nn/nntest"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// testdata is a LlamaForCausalLM that transformers saved, random in all
// weights, with a batch of 3×12 tokens padded on the right, and the loss,
// logits and gradients that it gave for them.

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
	in := nntest.Open(t, "testdata/inputs.safetensors")
	ids = in.Int32s(t, "input_ids")
	labels := in.Int32s(t, "labels")
	for i := range ids {
		target := int32(-1)
		if i%12 < 11 && labels[i+1] >= 0 {
			target = labels[i+1]
		}
		targets = append(targets, target)
	}
	return ids, targets, in.Int64s(t, "attention_mask")
}

// forward builds the logits on a tape of its own.
func forward(t *testing.T, m *llama.Model, batch int, ids []int32) (*nn.Context, ag.Tensor) {
	t.Helper()
	c := &nn.Context{Tape: ag.NewTape(), Batch: batch, Tokens: len(ids) / batch, IDs: ids}
	return c, nntest.Forward(t, m, c)
}

// TestRecorded compares logits, loss and the gradient of every tensor with
// what transformers recorded. The mask only hides padding, which stands on
// the right: no row before it sees it, and the loss ignores it.
func TestRecorded(t *testing.T) {
	want := nntest.Open(t, "testdata/base_outputs.safetensors")
	tensor := func(name string) []float32 { return want.Floats(t, name) }
	ids, targets, mask := batch(t)
	nntest.AtEachLevel(t, func(t *testing.T) {
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
				nntest.Near(t, fmt.Sprintf("logits %d", i), row(got), row(ref), abs, rel)
			}
		}
		nntest.Near(t, "loss", ag.Floats(loss), tensor("loss"), 0, 1e-6)
		for _, p := range m.Params() {
			nntest.Near(t, "grad."+p.Name, p.GradFloats(), tensor("grad."+p.Name), abs, rel)
		}
		if n := len(want.Names()) - len(m.Params()); n != 5 { // loss, logits, three hidden states
			t.Errorf("%d recorded tensors are not compared, want 5", n)
		}
	})
}
