package lora

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/nn"
)

// A Method is a composition of five parts.
type Method struct {
	Name      string // of its row in the table, or of its composition
	Paper     string // its title or common name
	ArXiv     string // id, "" where there is none
	Axis      Axis
	Published Published

	Delta   adapter.Delta
	Initial adapter.Initializer
	Update  adapter.Update
	Rank    adapter.Schedule
	Router  adapter.Router // nil: none

	recipe Recipe
}

// An Axis is what a paper is about.
type Axis string

// The axes; full fine-tuning has none.
const (
	Rank           Axis = "rank"
	Dynamics       Axis = "dynamics"
	Initialisation Axis = "initialisation"
	Experts        Axis = "experts"
)

// Recipe returns what the method was composed from; it is empty for a method
// that was put together by hand.
func (m Method) Recipe() Recipe { return m.recipe }

// PartRows names for each part the row of the table that it comes from: the
// one that the recipe names, or else the first that states a part of the same
// value. A schedule that changes nothing and an absent router are "none".
func (m Method) PartRows() Recipe {
	var rows Recipe
	for _, s := range slots {
		*rows.named(s) = m.partRow(s)
	}
	return rows
}

func (m *Method) partRow(s slot) string {
	if named := *m.recipe.named(s); named != "" {
		return named
	}
	p := m.part(s)
	if (s == rankSlot || s == routerSlot) && reflect.DeepEqual(p, table[plain].part(s)) {
		return none
	}
	for _, row := range table {
		if q := row.part(s); q != nil && reflect.DeepEqual(p, q) {
			return row.Name
		}
	}
	return m.origin(s) // with numbers of its own
}

// A slot is the place of a part in a method.
type slot string

const (
	deltaSlot  slot = "delta"
	initSlot   slot = "init"
	updateSlot slot = "update"
	rankSlot   slot = "rank"
	routerSlot slot = "router"
)

var slots = []slot{deltaSlot, initSlot, updateSlot, rankSlot, routerSlot}

// part returns the part in a slot, or nil.
func (m *Method) part(s slot) adapter.Part {
	switch {
	case s == deltaSlot && m.Delta != nil:
		return m.Delta
	case s == initSlot && m.Initial != nil:
		return m.Initial
	case s == updateSlot && m.Update != nil:
		return m.Update
	case s == rankSlot && m.Rank != nil:
		return m.Rank
	case s == routerSlot && m.Router != nil:
		return m.Router
	}
	return nil
}

// setPart puts into a slot a part that came out of such a slot.
func (m *Method) setPart(s slot, p adapter.Part) {
	switch s {
	case deltaSlot:
		m.Delta, _ = p.(adapter.Delta)
	case initSlot:
		m.Initial, _ = p.(adapter.Initializer)
	case updateSlot:
		m.Update, _ = p.(adapter.Update)
	case rankSlot:
		m.Rank, _ = p.(adapter.Schedule)
	case routerSlot:
		m.Router, _ = p.(adapter.Router)
	}
}

// Needs reports whether a part of m needs c.
func (m Method) Needs(c adapter.Capability) bool {
	for _, s := range slots {
		if p := m.part(s); p != nil && slices.Contains(p.Needs(), c) {
			return true
		}
	}
	return false
}

// Components returns how many principal components of their activations maps of a
// configured rank take, for [CalibrateComponents]; 0 where the method reads more of
// the activations, or nothing.
func (m Method) Components(rank int) int {
	r, ok := m.Initial.(adapter.Reducer)
	if !ok || m.Needs(adapter.OutputGradients) {
		return 0
	}
	return r.Components(rank)
}

// Check returns an error of one line when a part is missing, has numbers that
// cannot be, or needs what no part provides.
func (m Method) Check() error {
	for _, s := range slots {
		p := m.part(s)
		if p == nil && s != routerSlot {
			return fmt.Errorf("lora: method %s has no %s", m.Name, s)
		}
		if c, ok := p.(adapter.Checker); ok {
			if err := c.Check(); err != nil {
				return fmt.Errorf("lora: %w", bare{err})
			}
		}
	}
	if _, own := m.Rank.(adapter.Starter); own && m.allocates() {
		return fmt.Errorf("lora: %s and %s both give maps ranks of their own", m.say(initSlot), m.say(rankSlot))
	}
	provided := map[adapter.Capability]bool{
		adapter.FullGradient:    true, // these by whoever runs the training
		adapter.Activations:     true,
		adapter.OutputGradients: true,
		adapter.Static:          m.Router == nil,
		adapter.TrainedA:        !slices.Contains(m.Update.Freezes(), "A"),
		adapter.TrainedB:        !slices.Contains(m.Update.Freezes(), "B"),
	}
	for _, s := range slots {
		if p := m.part(s); p != nil {
			for _, c := range p.Provides() {
				provided[c] = true
			}
		}
	}
	provided[adapter.Started] = !provided[adapter.Pair]
	for _, s := range slots {
		p := m.part(s)
		if p == nil {
			continue
		}
		for _, c := range p.Needs() {
			if !provided[c] {
				return fmt.Errorf("lora: %s needs %s, which %s does not provide", m.say(s), c, m.say(provider(c)))
			}
			if c == adapter.TrainedPair && s != updateSlot && len(m.Update.Freezes()) > 0 {
				return fmt.Errorf("lora: %s needs %s, but %s freezes %s", m.say(s), c, m.say(updateSlot), m.Update.Freezes()[0])
			}
		}
	}
	return nil
}

// initialize fills the factors of all maps, one after the other, and tells of each:
// those of embeddings, where A and B are free and trained, by a start of their own. The
// last of the model is the first: so gradients come.
func (m Method) initialize(all []*adapter.Map, in adapter.Inputs, started func(*adapter.Map)) error {
	tables, others := m.split(all)
	if err := (initial.Embedding{}).Init(tables, in); err != nil {
		return err
	}
	for i, one := range slices.Backward(others) {
		if err := m.Initial.Init(others[i:i+1], in); err != nil {
			return err
		}
		if started != nil {
			started(one)
		}
	}
	return nil
}

// fits refuses maps that the initializer cannot fill.
func (m Method) fits(all []*adapter.Map) error {
	f, ok := m.Initial.(adapter.Fitter)
	if !ok {
		return nil
	}
	_, others := m.split(all)
	for _, one := range others {
		if err := f.Fits(one); err != nil {
			return err
		}
	}
	return nil
}

// split parts the embeddings that have a start of their own from the other maps.
func (m Method) split(all []*adapter.Map) (tables, others []*adapter.Map) {
	for _, one := range all {
		if one.Kind == nn.Table && m.pair() {
			tables = append(tables, one)
		} else {
			others = append(others, one)
		}
	}
	return tables, others
}

// pair reports whether the factors A and B are free for an initializer to fill,
// and trained.
func (m Method) pair() bool {
	return slices.Contains(m.Delta.Provides(), adapter.Product) && len(m.Update.Freezes()) == 0
}

// say names the part in a slot by the row that it comes from.
func (m *Method) say(s slot) string { return fmt.Sprintf("%s %s", s, m.origin(s)) }

// origin returns the row that the recipe takes the part in a slot from, or the
// part's type where a method was put together by hand.
func (m *Method) origin(s slot) string {
	row := m.recipe.row(s)
	switch i := slices.IndexFunc(table, func(t Method) bool { return t.Name == row }); {
	case i < 0:
		return fmt.Sprintf("%T", m.part(s))
	case table[i].part(s) == nil:
		return table[plain].Name // a part that its row leaves out
	}
	return row
}

// provider returns the slot whose parts provide c, by the table.
func provider(c adapter.Capability) slot {
	switch c {
	case adapter.Static:
		return routerSlot
	case adapter.TrainedA, adapter.TrainedB:
		return updateSlot
	}
	for _, row := range table {
		for _, s := range slots {
			if p := row.part(s); p != nil && slices.Contains(p.Provides(), c) {
				return s
			}
		}
	}
	return deltaSlot
}
