// Package probe measures what happens to adapters while they train: spectrum
// and effective rank of the weight's change, statistics of the factors, the
// norm of each update, the equivalent gradient and how well it follows the
// full one, and the load of experts. A probe only reads: training with it and
// without it gives the same weights bit for bit.
//
// Everything about a low-rank form comes from r×r Gram matrices, summed in
// float64; no matrix of the size of a weight is formed. What a map's method
// gives no definition for is left out rather than approximated: see [Metrics].
package probe

import (
	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
)

// A Row is one measured value.
type Row struct {
	Step  int
	Layer string // the adapted map's name
	Name  string // one of [Metrics]
	Value float64
}

// A Probe observes adapted maps. At a step that is to be observed, Before is
// called between the backward pass and the optimizer's step, and After when
// the optimizer and the rank schedule have done theirs. It is not for
// concurrent use.
type Probe struct {
	// Dense asks for the spectra of maps whose form is a whole weight (full
	// fine-tuning, HiRA), which cost an eigenvalue problem of the size of the
	// smaller side.
	Dense bool

	maps []*observed
	work workspace
	rows []Row
	step int
}

// New returns a probe of the maps, which it does not touch.
func New(maps []*adapter.Map) *Probe {
	p := &Probe{}
	for _, m := range maps {
		p.maps = append(p.maps, observe(m))
	}
	return p
}

// Before remembers what the step is going to change.
func (p *Probe) Before() {
	for _, o := range p.maps {
		o.refresh(p.Dense)
		o.remember(&p.work)
	}
}

// After returns the measurements of the step. Without a call of Before in the
// same step those of the gradients and of the update are missing. The rows are
// valid until the next call.
func (p *Probe) After(step int) []Row {
	p.rows, p.step = p.rows[:0], step
	for _, o := range p.maps {
		o.refresh(p.Dense)
		p.factors(o)
		p.spectrum(o)
		p.update(o)
		p.equivalentGradient(o)
		p.load(o)
		o.forget()
	}
	return p.rows
}

func (p *Probe) add(o *observed, name string, value float64) {
	p.rows = append(p.rows, Row{p.step, o.m.Name, name, value})
}

// live reports whether t is one of the map's factors, so that it has its
// present value and not that of the last forward pass.
func live(m *adapter.Map, t ag.Tensor) bool {
	for _, f := range m.Factors {
		if is(t, f) {
			return true
		}
	}
	return false
}

// is reports whether t is the factor f itself.
func is(t ag.Tensor, f *adapter.Factor) bool {
	return t != nil && f != nil && t.Value() == ag.Tensor(f.Variable)
}
