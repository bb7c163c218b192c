package reference

import (
	"fmt"
	"time"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/optim"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// Of the training run. The decay is PyTorch's default.
const (
	steps = 50
	lr    = 1e-3
	decay = 0.01
)

// training trains LoRA and the classifier on all linear maps of the checkpoint.
// Our start, A, B = 0 and the classifier, goes to the other side as adapters in
// PEFT's form.
func training(r *run, g group) error {
	const name = "loss at every step"
	if !r.wanted(g, name) {
		return nil
	}
	t, sentences, labels, err := r.texts()
	if err != nil {
		return err
	}
	ids := tokens(t, sentences)
	m, err := pretrained.LoadWith(r.peer.Checkpoint, &pretrained.Head{Labels: 2, Task: nn.Classification, Seed: 1})
	if err != nil {
		return err
	}
	method, err := lora.Row("lora")
	if err != nil {
		return err
	}
	set, err := lora.Inject(m, method, lora.Options{Rank: 8, Alpha: 16, Save: []string{"classifier"}, Seed: 1})
	if err != nil {
		return err
	}
	start := r.folder("start")
	if err := writeAdapter(start, set); err != nil {
		return err
	}
	began := time.Now()
	got, err := train(m, set, method, ids, labels)
	ours := time.Since(began).Seconds()
	if err != nil {
		return err
	}
	var theirs struct {
		Losses  []float64
		Seconds float64
	}
	err = r.peer.Ask("train", map[string]any{
		"folder": r.peer.Checkpoint, "adapter": start, "ids": ids, "labels": labels, "size": size, "steps": steps, "lr": lr, "decay": decay,
	}, &theirs)
	if err != nil {
		return err
	}
	row := &compare.Row{
		Name: name, Unit: "ms/step", Rates: rates(1e3/steps, ours, theirs.Seconds),
		Checks: []compare.Check{{What: "largest difference", Got: difference(got, theirs.Losses), Want: 1e-3, AtMost: true}},
	}
	if n := len(theirs.Losses); n > 0 {
		row.Note = fmt.Sprintf("from %.3g to %.4g, theirs to %.4g", got[0], got[steps-1], theirs.Losses[n-1])
	}
	r.judged(row)
	return nil
}

// A pass is a batch in the graph: those of all batches lie in the same memory.
type pass struct {
	tape *ag.Tape
	loss ag.Tensor
}

// build makes the pass of some texts, and runs it forward; first is the tape of another,
// nil where there is none.
func build(m nn.Model, first *ag.Tape, ids [][]int, labels []int) (*pass, error) {
	var classes []int32
	for i := range ids {
		classes = append(classes, int32(labels[i]))
	}
	c := batch(ids)
	if first != nil {
		c.Tape = first.Instead()
	}
	logits, err := forward(m, c)
	if err != nil {
		return nil, err
	}
	loss, err := m.Task().Loss(c, logits, nn.Labels{Classes: classes})
	return &pass{c.Tape, loss}, err
}

// train returns the loss before each step.
func train(m nn.Model, set *lora.Set, method lora.Method, ids [][]int, labels []int) ([]float64, error) {
	o := optim.New(method.Update.Transform(decay), set.Groups())
	var losses []float64
	var first *ag.Tape
	passes := map[int]*pass{}
	for step := range steps {
		at := step * size % len(ids)
		p := passes[at]
		if p != nil {
			p.tape.Replay()
		} else {
			var err error
			if p, err = build(m, first, ids[at:min(at+size, len(ids))], labels[at:]); err != nil {
				return nil, err
			}
			if passes[at] = p; first == nil {
				first = p.tape
			}
		}
		o.ZeroGrad()
		if err := p.tape.Backward(p.loss); err != nil {
			return nil, err
		}
		o.Step(lr)
		losses = append(losses, float64(ag.Floats(p.loss)[0]))
	}
	return losses, nil
}
