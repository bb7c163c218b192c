package step

import (
	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// A Memory is the bytes that a step needs, by what they are for.
type Memory struct {
	Base        int `json:"base"`        // the weights as they are stored
	Rest        int `json:"rest"`        // what a start left of them, where it took something out
	Packed      int `json:"packed"`      // forms of the frozen weights that the kernels read
	Activations int `json:"activations"` // of the tape: outputs, and the gradients that were lent
	Adapters    int `json:"adapters"`    // what is trained, its gradients, and frozen factors
	Optimizer   int `json:"optimizer"`   // updates, moments, and what a schedule of ranks keeps
}

// Total is the sum.
func (m Memory) Total() int {
	return m.Base + m.Rest + m.Packed + m.Activations + m.Adapters + m.Optimizer
}

// Memory returns the bytes by count, after a step, without padding: of the base as it is
// kept, else of float32.
func (t *Training) Memory() Memory {
	var values Memory // in float32
	base, streams := 0, false
	for _, p := range t.Model.Params() {
		base += p.Values().Bytes()
	}
	for _, l := range t.Model.Linears() {
		streams = streams || l.Streamed
	}
	adapted := map[*nn.Linear]*adapter.Map{}
	seen := map[*float32]bool{}
	if t.Set != nil {
		for _, m := range t.Set.Maps {
			adapted[m.Linear] = m
			values.Rest += m.BaseValues()
			for _, f := range m.Factors {
				if x := f.Floats(); len(x) > 0 && !f.Trained && !seen[&x[0]] {
					seen[&x[0]] = true // some methods share what is frozen
					values.Adapters += len(x)
				}
			}
		}
		if values.Packed = packed(t.Model, adapted); streams {
			values.Packed = streamed(t.Model)
		}
	}
	for _, g := range t.opt.Groups() {
		for _, p := range g.Params {
			n := len(p.Value.Floats())
			values.Optimizer += n // the update
			if p.Value.RequiresGrad() {
				values.Optimizer += 2 * n
				values.Adapters += n // the gradient
				if t.Set != nil {
					values.Adapters += n // the value, which else is the base's
				}
			}
		}
	}
	if t.plan != nil {
		for _, b := range t.plan.Buffers() {
			values.Optimizer += len(b.Values)
		}
	}
	const size = 4
	return Memory{
		Base: base, Rest: size * values.Rest, Packed: size * values.Packed,
		Activations: t.tape.Bytes(), Adapters: size * values.Adapters, Optimizer: size * values.Optimizer,
	}
}

// packed counts the values of the packed forms of frozen weights that are held.
func packed(model nn.Model, adapted map[*nn.Linear]*adapter.Map) (n int) {
	for _, l := range model.Linears() {
		w := l.Frozen()
		if m := adapted[l]; m != nil {
			w = m.Base
		}
		n += w.Packed()
	}
	return n
}

// streamed counts the values of the largest part of a weight that is packed at
// once where none is packed for good.
func streamed(model nn.Model) int {
	most := 0
	for _, l := range model.Linears() {
		if l.Kind == nn.Dense {
			most = max(most, ag.Panels(l.Out, l.In))
		}
	}
	return most
}
