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
// and [Probe.Undefined] says why. The rows of a batch are those that the graph
// computes: where a classifier reads one token of the last block, no others of it.
package probe

import (
	"github.com/lowrank/lowrank/kernels"
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

	layers  []*layer
	active  []int // ranks
	top     once[Top]
	lost    once[Forgetting]
	ray     once[[]float64]
	groups  []group
	scratch scratch
	rows    []Row
	step    int
	tick    int
	due     Tiers
	before  int // the step that Before was called for; 0: none since the last After
	lab     labState

	table [][]cell      // by metric and map; of the whole model, the first
	lists [][][]float64 // with Many, the values
	names [][]string

	remembering, following, measuring func(i int) // of a map
}

// A cell is what a metric has of a map, measured last.
type cell struct {
	value float64
	why   error // there is none
	seen  bool  // there has been one
}

// New returns a probe of the maps, which it does not touch. What is measured
// from the start is measured from the values that the factors have now.
func New(maps []*adapter.Map) *Probe {
	p := &Probe{}
	w := p.scratch.take()
	for i, m := range maps {
		p.layers = append(p.layers, newLayer(p, w, m, i))
	}
	p.scratch.put(w)
	p.groups = groupsOf(maps)
	p.names, p.lists = make([][]string, len(table)), make([][][]float64, len(table))
	for i := range table {
		p.table = append(p.table, make([]cell, max(len(maps), 1)))
		if table[i].Many {
			p.lists[i] = make([][]float64, len(maps))
		}
	}
	p.remembering = p.onMap(func(l *layer) { l.refresh(); l.remember(p.before) })
	p.following = p.onMap(func(l *layer) { l.refresh(); l.routing(); l.follow() })
	p.measuring = p.onMap(func(l *layer) { l.measure(p.due &^ Tier3) })
	return p
}

// Before remembers what the step is going to change. Steps count from 1.
func (p *Probe) Before(step int) {
	p.before = step
	kernels.Parallel(len(p.layers), p.remembering)
}

// After returns the measurements of the step in those tiers. Without a call of
// Before for the same step those of the gradients and of the update are
// missing. The rows are valid until the next call. The error is that of a pass
// of the Lab: what needs it is then missing.
func (p *Probe) After(step int, due Tiers) ([]Row, error) {
	p.rows, p.step, p.due = p.rows[:0], step, due
	p.tick++
	if p.Ranks != nil {
		p.active = p.Ranks()
	}
	kernels.Parallel(len(p.layers), p.following)
	err := p.enterLab()
	kernels.Parallel(len(p.layers), p.measuring)
	for _, l := range p.layers {
		l.measure(due & Tier3) // what takes the memory of a weight, one by one
	}
	for i := range table {
		if due.has(&table[i]) {
			p.report(i)
		}
	}
	p.leaveLab()
	for _, l := range p.layers {
		l.forget()
	}
	p.before = 0
	return p.rows, err
}

func (t Tiers) has(m *Metric) bool { return t&(1<<m.Tier) != 0 }

// measure fills the map's cells of the metrics in those tiers.
func (l *layer) measure(due Tiers) {
	for i := range table {
		m, c := &table[i], &l.p.table[i][l.index]
		switch {
		case !due.has(m) || m.model != nil:
			continue
		case m.Many:
			l.p.lists[i][l.index], c.why = m.values(l)
		default:
			c.value, c.why = m.value(l)
		}
		c.seen = c.seen || c.why == nil
	}
	l.span, l.nets = once[spans]{}, once[subspaces]{}
}

// report adds the rows of a metric: of the maps in their order, then of what they
// come to.
func (p *Probe) report(i int) {
	m := &table[i]
	if m.model != nil {
		c := &p.table[i][0]
		if c.value, c.why = m.model(p); c.why == nil {
			c.seen = true
			p.rows = append(p.rows, Row{p.step, "", m.Name, c.value})
		}
		return
	}
	for k, l := range p.layers {
		switch c := &p.table[i][k]; {
		case c.why != nil:
		case m.Many:
			for j, v := range p.lists[i][k] {
				p.rows = append(p.rows, Row{p.step, l.m.Name, p.name(i, j), v})
			}
		default:
			p.rows = append(p.rows, Row{p.step, l.m.Name, m.Name, c.value})
		}
	}
	if m.Aggregate != NoAggregate {
		p.aggregate(i)
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
	for i, cells := range p.table {
		m := &table[i]
		for k, c := range cells {
			switch {
			case c.why == nil || c.seen:
			case m.model != nil:
				all = append(all, Reason{"", m.Name, c.why.Error()})
			default:
				all = append(all, Reason{p.layers[k].m.Name, m.Name, c.why.Error()})
			}
		}
	}
	return all
}
