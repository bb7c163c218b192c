package lora

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/lora/adapter"
)

// drops reports whether a map of the method has a low-rank term beside its base, whose
// input may be dropped.
func (m Method) drops() bool {
	return slices.ContainsFunc(m.Delta.Provides(), func(c adapter.Capability) bool {
		return c == adapter.Additive || c == adapter.Gated || c == adapter.ZeroCore
	})
}

// checkDropout refuses a dropout that is no probability, or where nothing would be
// dropped.
func (s *Set) checkDropout() error {
	switch p := s.Options.Dropout; {
	case !(p >= 0 && p < 1):
		return fmt.Errorf("lora: dropout is %v: must be at least 0 and below 1", p)
	case p > 0 && !s.Method.drops():
		return fmt.Errorf("lora: dropout is %v: method %s computes its weight whole and has no low-rank term to drop the input of", p, s.Method.Name)
	}
	return nil
}

// dropoutKey returns what a configuration of a layout, nil for our own, calls the
// dropout; "": it has none.
func dropoutKey(l *adapter.Layout) string {
	if l == nil {
		return "lora_dropout"
	}
	for key := range l.Config {
		if strings.HasSuffix(key, "_dropout") {
			return key
		}
	}
	return ""
}
