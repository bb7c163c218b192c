// Package probe measures what happens to adapters while they train: spectrum
// and ranks of the weight's change, statistics of the factors, the norm, path
// and direction of the updates, the equivalent gradient and how well it follows
// the full one, what the two factors learn, subspaces, sharpness, the work of
// experts. A probe only reads: training with it and without it gives the same
// weights bit for bit.
//
// A metric is a small value with its definition, source, unit, range,
// invariances, cost and tier: see [Metrics]. It asks the map that it is
// measured on for what it needs, and everything is computed once a step.
// Everything about a low-rank form comes from r×r Gram matrices, summed in
// float64; no matrix of the size of a weight is formed in tiers 0 to 2. What a
// map's method gives no definition for is left out rather than approximated,
// and [Probe.Undefined] says why.
package probe

import (
	"github.com/lowrank/lowrank/lora/adapter"
)

// A Row is one measured value.
type Row struct {
	Step int
	// Layer is the adapted map's name, or of an aggregate a pattern of such names:
	// model.layers.3.* of a block, *.q_proj of a kind of map, * of all; of what
	// only a model has, "".
	Layer string
	Name  string // one of [Metrics]
	Value float64
}

// Tiers are sets of tiers: what a step's measurement is to hold.
type Tiers uint8

// The tiers. A higher one costs more.
const (
	Tier0 Tiers = 1 << iota // norms and the step: every step
	Tier1                   // spectra and the equivalent gradient
	Tier2                   // what needs the probe batch
	Tier3                   // what needs many passes, or decompositions of a weight's size
	All   = Tier0 | Tier1 | Tier2 | Tier3
)

// A Probe observes adapted maps. At a step that is to be observed, Before is
// called between the backward pass and the optimizer's step, and After when
// the optimizer and the rank schedule have done theirs. It is not for
// concurrent use.
type Probe struct {
	// Dense asks for the spectra of maps whose form is a whole weight (full
	// fine-tuning, HiRA), which cost an eigenvalue problem of the size of the
	// smaller side.
	Dense bool
	// Clipped is what the gradients were multiplied by since the backward pass;
	// 0: nothing, which is 1. Gradients are reported as they were before.
	Clipped float64
	// Lab, if not nil, runs batches for what needs them.
	Lab *Lab
	// Ranks, if not nil, returns the active rank of each map.
	Ranks func() []int

	layers []*layer
	active once[[]int]
	top    once[Top]
	lost   once[Forgetting]
	ray    once[[]float64]
	groups []group
	work   workspace
	rows   []Row
	step   int
	tick   int
	due    Tiers
	before int // the step that Before was called for; 0: none since the last After

	why    [][]error // by metric and map, why it was not measured the last time
	names  [][]string
	values []float64 // of a metric, by map
	known  []bool
	seen   [][]bool // by metric and map, whether it has been measured

	lab labState
}

// New returns a probe of the maps, which it does not touch. What is measured
// from the start is measured from the values that the factors have now.
func New(maps []*adapter.Map) *Probe {
	p := &Probe{}
	for _, m := range maps {
		p.layers = append(p.layers, newLayer(p, m, len(p.layers)))
	}
	p.groups = groupsOf(maps)
	p.values, p.known = make([]float64, len(maps)), make([]bool, len(maps))
	for range table {
		p.why = append(p.why, make([]error, len(maps)))
		p.seen = append(p.seen, make([]bool, len(maps)))
	}
	p.names = make([][]string, len(table))
	return p
}

// Before remembers what the step is going to change. Steps count from 1.
func (p *Probe) Before(step int) {
	p.before = step
	for _, l := range p.layers {
		l.refresh()
		l.remember(step)
	}
}

// After returns the measurements of the step in those tiers. Without a call of
// Before for the same step those of the gradients and of the update are
// missing. The rows are valid until the next call. The error is that of a pass
// of the Lab: what needs it is then missing.
func (p *Probe) After(step int, due Tiers) ([]Row, error) {
	p.rows, p.step = p.rows[:0], step
	p.tick++
	for _, l := range p.layers {
		l.refresh()
		l.follow()
	}
	err := p.enterLab(due)
	for i := range table {
		m := &table[i]
		if due&(1<<m.Tier) == 0 {
			continue
		}
		switch {
		case m.model != nil:
			p.ofModel(i, m)
		case m.Many:
			p.numbered(i, m)
		default:
			p.single(i, m)
		}
	}
	p.leaveLab()
	for _, l := range p.layers {
		l.forget()
	}
	p.before = 0
	return p.rows, err
}

func (p *Probe) ofModel(i int, m *Metric) {
	v, err := m.model(p)
	p.note(i, 0, err)
	if err == nil {
		p.rows = append(p.rows, Row{p.step, "", m.Name, v})
	}
}

func (p *Probe) single(i int, m *Metric) {
	for k, l := range p.layers {
		v, err := m.value(l)
		p.note(i, k, err)
		p.values[k], p.known[k] = v, err == nil
		if err == nil {
			p.rows = append(p.rows, Row{p.step, l.m.Name, m.Name, v})
		}
	}
	if m.Aggregate != NoAggregate {
		p.aggregate(m)
	}
}

func (p *Probe) numbered(i int, m *Metric) {
	for k, l := range p.layers {
		values, err := m.values(l)
		p.note(i, k, err)
		if err != nil {
			continue
		}
		for j, v := range values {
			p.rows = append(p.rows, Row{p.step, l.m.Name, p.name(i, j), v})
		}
	}
}

// note keeps why a value is missing, or that it is not.
func (p *Probe) note(metric, layer int, err error) {
	if layer >= len(p.why[metric]) {
		return // a probe of no maps
	}
	p.why[metric][layer] = err
	if err == nil {
		p.seen[metric][layer] = true
	}
}

// name returns the name of value j of a metric of several.
func (p *Probe) name(metric, j int) string {
	for len(p.names[metric]) <= j {
		p.names[metric] = append(p.names[metric], numbered(table[metric].Name, len(p.names[metric])+1))
	}
	return p.names[metric][j]
}

// A Reason is why a map has had no value of a metric.
type Reason struct {
	Layer, Name string
	Why         string
}

// Undefined lists the metrics that were asked for and that a map has never had
// a value of, with the last reason.
func (p *Probe) Undefined() []Reason {
	var all []Reason
	for i := range table {
		m := &table[i]
		for k, err := range p.why[i] {
			switch {
			case err == nil || p.seen[i][k]:
			case m.model != nil:
				all = append(all, Reason{"", m.Name, err.Error()})
			default:
				all = append(all, Reason{p.layers[k].m.Name, m.Name, err.Error()})
			}
		}
	}
	return all
}
