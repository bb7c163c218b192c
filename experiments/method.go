package experiments

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/lowrank/lowrank/lora"
)

// Method names how a model is adapted: a row of the table of methods, or a
// composition of parts, each named by the row that it comes from. Its three
// spellings in a configuration:
//
//	method: pissa
//	method: {delta: dora, init: pissa, update: lora-pro}
//	method: {init: {pissa: {iterations: 4}}, update: {lora-plus: {ratio: 16}}}
//
// Either Name is set or at least one part is.
type Method struct {
	Name   string
	Delta  Part `yaml:"delta"`
	Init   Part `yaml:"init"`
	Update Part `yaml:"update"`
	Rank   Part `yaml:"rank"`
	Router Part `yaml:"router"`
}

// Part names one part of a method by the row that has it, and sets numbers of
// its own. The zero Part leaves the choice to the method's default.
type Part struct {
	Row     string
	Options map[string]float64
}

// parts are the named parts of m that are set.
func (m Method) parts() map[string]Part {
	set := map[string]Part{"delta": m.Delta, "init": m.Init, "update": m.Update, "rank": m.Rank, "router": m.Router}
	for axis, p := range set {
		if p.Row == "" && len(p.Options) == 0 {
			delete(set, axis)
		}
	}
	return set
}

func (m Method) validate() error {
	parts := m.parts()
	if (m.Name == "") == (len(parts) == 0) {
		return &fieldError{"method", "must be the name of a method, or name at least one of the parts delta, init, update, rank, router"}
	}
	for _, axis := range []string{"delta", "init", "update", "rank", "router"} {
		p, field := parts[axis], "method."+axis
		if p.Row == "" && len(p.Options) > 0 {
			return &fieldError{field, "has numbers but does not say of which method"}
		}
		for _, name := range sortedKeys(p.Options) {
			if v := p.Options[name]; math.IsNaN(v) || math.IsInf(v, 0) {
				return &fieldError{field, fmt.Sprintf("%s is %v, must be finite", name, v)}
			}
		}
	}
	return nil
}

func sortedKeys(options map[string]float64) []string {
	keys := make([]string, 0, len(options))
	for k := range options {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Recipe is what the table of methods composes m from.
func (m Method) Recipe() lora.Recipe {
	r := lora.Recipe{Method: m.Name, Delta: m.Delta.Row, Init: m.Init.Row, Update: m.Update.Row, Rank: m.Rank.Row, Router: m.Router.Row,
		Options: map[string]float64{}}
	for axis, p := range m.parts() {
		for name, v := range p.Options {
			r.Options[axis+"."+name] = v
		}
	}
	return r
}

// String names the method for a reader: pissa, or init:pissa+update:lora-pro.
func (m Method) String() string {
	if m.Name != "" {
		return m.Name
	}
	var names []string
	parts := m.parts()
	for _, axis := range []string{"delta", "init", "update", "rank", "router"} {
		if p, ok := parts[axis]; ok {
			names = append(names, axis+":"+p.Row)
		}
	}
	return strings.Join(names, "+")
}

// spelling is what a configuration says for m: text, or a map.
func (m Method) spelling() any {
	if m.Name != "" {
		return m.Name
	}
	parts := map[string]any{}
	for axis, p := range m.parts() {
		parts[axis] = p.spelling()
	}
	return parts
}

func (p Part) spelling() any {
	if len(p.Options) == 0 {
		return p.Row
	}
	return map[string]map[string]float64{p.Row: p.Options}
}

func (m Method) MarshalYAML() (any, error)    { return m.spelling(), nil }
func (m Method) MarshalJSON() ([]byte, error) { return json.Marshal(m.spelling()) }

func (m *Method) decodeNode(d *decoder, path string, n ast.Node) error {
	*m = Method{} // the default's name goes, whatever comes
	if isScalar(n) {
		return d.scalar(path, n, &m.Name)
	}
	return d.fields(path, n, m)
}

func (p *Part) decodeNode(d *decoder, path string, n ast.Node) error {
	if isScalar(n) {
		return d.scalar(path, n, &p.Row)
	}
	rows, err := d.entries(path, n)
	if err != nil {
		return err
	}
	if len(rows) != 1 {
		return d.errorf(n, "%s: has %d methods, must be one, as {pissa: {iterations: 4}}", path, len(rows))
	}
	p.Row = rows[0].key
	options, err := d.entries(path+"."+p.Row, rows[0].value)
	if err != nil {
		return err
	}
	p.Options = make(map[string]float64, len(options))
	for _, o := range options {
		var v float64
		if err := d.scalar(path+"."+p.Row+"."+o.key, o.value, &v); err != nil {
			return err
		}
		p.Options[o.key] = v
	}
	return nil
}
