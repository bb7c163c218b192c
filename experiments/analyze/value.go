package analyze

import (
	"math"

	"github.com/lowrank/lowrank/experiments/record"
)

// A Value is one measured number. JSON has "+Inf" for an infinite one.
type Value struct {
	Adapter string        `json:"adapter"`
	Other   string        `json:"other,omitempty"` // the second of two adapters
	Module  string        `json:"module"`          // as PEFT names it, without base_model.model.
	Metric  string        `json:"metric"`
	Value   record.Number `json:"value"`
}

// A sheet collects what is measured of one map.
type sheet struct {
	adapter, other, module string
	values                 []Value
	notes                  []Note
}

// A Note says why a map lacks something.
type Note struct{ Adapter, Module, Text string }

// add adds a value; one that is not a number is not defined, and left out.
func (s *sheet) add(metric string, v float64) {
	if !math.IsNaN(v) {
		s.values = append(s.values, Value{s.adapter, s.other, s.module, metric, record.Number(v)})
	}
}

func (s *sheet) note(err error) {
	if err != nil {
		s.notes = append(s.notes, Note{s.adapter, s.module, err.Error()})
	}
}
