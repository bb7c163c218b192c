package lora

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/lowrank/lowrank/lora/adapter"
)

// allocate gives the maps the ranks that the initializer wants for them, or those
// that the state has; a map of rank 0 gets no adapter. The options then say so.
func (s *Set) allocate(in adapter.Inputs) error {
	a, ok := s.Method.Initial.(adapter.Allocator)
	if !ok || s.Options.Dry {
		return nil
	}
	tables, maps := s.Method.split(s.Maps)
	ranks, err := s.ranks(a, maps, in)
	if err != nil || ranks == nil {
		return err
	}
	rank := map[*adapter.Map]int{}
	for _, m := range tables {
		rank[m] = m.Rank
	}
	for i, m := range maps {
		rank[m] = ranks[i]
	}
	maps = s.Maps
	s.Maps, s.Options.RankPattern, s.Options.AlphaPattern = nil, map[string]int{}, map[string]float64{}
	for _, m := range maps {
		r := rank[m]
		if r == 0 {
			continue
		}
		alpha, _ := ofPattern(s.given.AlphaPattern, m.Name, s.given.Alpha) // compiled by Inject
		if r != m.Rank {
			if a.KeepsScaling() {
				alpha *= m.Delta.Scaling(1, m.Rank) / m.Delta.Scaling(1, r)
			}
			if m, err = s.build(m.Linear, m.Layers, r, alpha); err != nil {
				return err
			}
		}
		name := "^" + regexp.QuoteMeta(m.Name) + "$"
		s.Maps = append(s.Maps, m)
		s.Options.RankPattern[name], s.Options.AlphaPattern[name] = m.Rank, alpha
	}
	if len(s.Maps) == 0 {
		return fmt.Errorf("lora: %s leaves no map a rank", s.Method.say(initSlot))
	}
	return nil
}

// ranks returns those of the state, where there is one.
func (s *Set) ranks(a adapter.Allocator, maps []*adapter.Map, in adapter.Inputs) ([]int, error) {
	if s.Options.State == nil {
		ranks, err := a.Ranks(maps, in)
		if err != nil {
			err = fmt.Errorf("lora: %w", bare{err})
		}
		return ranks, err
	}
	var ranks []int
	for _, m := range maps {
		ranks = append(ranks, len(s.Options.State[m.Name+".A"])/m.In)
	}
	if len(ranks) == 0 || slices.Max(ranks) == 0 {
		return nil, nil // no such state: what is missing is said where it is read
	}
	return ranks, nil
}

// allocates reports whether the initializer gives maps ranks of their own.
func (m *Method) allocates() bool {
	a, ok := m.Initial.(adapter.Allocator)
	return ok && a.Allocates()
}
