package verify

import (
	"fmt"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

// A pass is a model's forward pass on inputs.
type pass struct {
	*nn.Context
	out  ag.Tensor
	loss ag.Tensor // nil: the inputs have nothing to compare the outputs with
}

// forward runs a model.
func (in inputs) forward(m nn.Model) (*pass, error) {
	c, err := in.context(m)
	if err != nil {
		return nil, err
	}
	p := &pass{Context: c}
	labels, ok := in.labels(c, m.Task())
	if err := ag.Guard(func() { p.out = m.Forward(c) }); err != nil {
		return nil, err
	}
	switch {
	case in["dout"].floats != nil:
		err = ag.Guard(func() { p.loss = c.Run(ag.NewWeightedMean(p.out, in["dout"].floats)) })
	case ok:
		p.loss, err = m.Task().Loss(c, p.out, labels)
	}
	if err != nil || p.loss == nil || len(c.Losses) == 0 {
		return p, err
	}
	terms, weights := []ag.Tensor{p.loss}, []float32{1}
	for _, l := range c.Losses { // PEFT adds them to the model's loss too
		terms, weights = append(terms, l.Value), append(weights, l.Weight)
	}
	p.loss = c.Run(ag.NewSum(weights, terms...))
	return p, nil
}

// backward adds to the gradients of all that is trained.
func (p *pass) backward() error {
	if p.loss == nil || !p.loss.RequiresGrad() {
		return nil
	}
	return p.Backward(p.loss)
}

// compare compares loss, outputs and hidden states with those that are recorded
// under these names after a prefix.
func (p *pass) compare(r *rows, want *record, prefix string) {
	switch name := prefix + "loss"; {
	case !want.has(name):
	case p.loss == nil:
		r.fail(name, fmt.Errorf("it is recorded, but the inputs have neither labels nor dout"))
	default:
		want.near(r, name, ag.Floats(p.loss))
	}
	p.outputs(r, want, prefix+"logits", prefix+"logits")
	if p.Decoder == nil {
		hidden(r, want, prefix+"hidden_states", p.Context)
		return
	}
	hidden(r, want, prefix+"encoder_hidden_states", p.Context)
	hidden(r, want, prefix+"decoder_hidden_states", p.Decoder)
}

// outputs compares the outputs with those recorded as of, in a row called name.
func (p *pass) outputs(r *rows, want *record, of, name string) {
	x, err := want.take(of)
	if err != nil {
		r.fail(name, err)
		return
	}
	r.near(name, ag.Floats(p.out), x, Values)
}

// hidden compares the hidden states of a context, where any are recorded, with
// all of them.
func hidden(r *rows, want *record, name string, c *nn.Context) {
	if !want.has(name + ".0") {
		return
	}
	for i, x := range c.Hidden {
		name := fmt.Sprintf("%s.%d", name, i)
		w, err := want.take(name)
		if err != nil {
			r.fail(name, err)
			continue
		}
		r.near(name, ag.Floats(x), w, Values)
	}
}
