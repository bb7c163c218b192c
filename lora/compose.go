package lora

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/nearest"
)

// A Recipe says from which rows of the table a method is composed. A part is
// named by the row that it comes from: Init "pissa" is the initializer of the
// row pissa.
type Recipe struct {
	Method string `json:"method,omitempty"` // the row of all parts that are not named; "" is lora
	Delta  string `json:"delta,omitempty"`
	Init   string `json:"init,omitempty"`
	Update string `json:"update,omitempty"`
	Rank   string `json:"rank,omitempty"`   // "none": none
	Router string `json:"router,omitempty"` // "none": none
	// Options override numbers of the parts: "ratio", or "update.ratio" where
	// two parts have the name.
	Options map[string]float64 `json:"options,omitempty"`
}

// none is the name of the absent schedule and router.
const none = "none"

// named returns the field of a slot.
func (r *Recipe) named(s slot) *string {
	switch s {
	case deltaSlot:
		return &r.Delta
	case initSlot:
		return &r.Init
	case updateSlot:
		return &r.Update
	case rankSlot:
		return &r.Rank
	}
	return &r.Router
}

// row returns the name of the row that the part in a slot comes from.
func (r *Recipe) row(s slot) string {
	if name := *r.named(s); name != "" {
		return name
	}
	return r.Method
}

// Compose returns the method of a recipe. An unknown row or option, a row
// without such a part, and parts that do not fit together are errors that say
// what there is instead.
func Compose(r Recipe) (Method, error) {
	if r.Method == "" {
		r.Method = table[plain].Name
	}
	m, err := Row(r.Method)
	if err != nil {
		return Method{}, err
	}
	name := []string{m.Name}
	for _, s := range slots {
		from := r.named(s)
		if *from == "" || *from == r.Method {
			*from = ""
			continue
		}
		p, err := partOf(*from, s)
		if err != nil {
			return Method{}, err
		}
		m.setPart(s, p)
		name = append(name, fmt.Sprintf("%s:%s", s, *from))
	}
	m.Name = strings.Join(name, "+")
	if len(name) > 1 {
		m.Paper, m.ArXiv, m.Published = "", "", Published{}
	}
	if len(r.Options) > 0 {
		r.Options = maps.Clone(r.Options)
		var set []string
		for _, option := range slices.Sorted(maps.Keys(r.Options)) {
			if err := m.setOption(option, r.Options[option]); err != nil {
				return Method{}, err
			}
			set = append(set, fmt.Sprintf("%s=%v", option, r.Options[option]))
		}
		m.Name += "(" + strings.Join(set, ",") + ")"
	}
	m.recipe = r
	return m, m.Check()
}

// partOf returns the part that a row states in a slot.
func partOf(row string, s slot) (adapter.Part, error) {
	if row == none && (s == rankSlot || s == routerSlot) {
		return table[plain].part(s), nil
	}
	var have []string
	for i := range table {
		switch p := table[i].part(s); {
		case p == nil:
		case table[i].Name == row:
			return p, nil
		default:
			have = append(have, table[i].Name)
		}
	}
	if s == rankSlot || s == routerSlot {
		have = append(have, none)
	}
	if _, err := Row(row); err != nil {
		return nil, fmt.Errorf("lora: %s: no method is called %q: rows with a part of that kind, nearest first: %s", s, row, nearest.Choices(row, have))
	}
	return nil, fmt.Errorf("lora: %s: the row %s has none of its own: rows that have: %s", s, row, strings.Join(have, ", "))
}
