package probe

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lowrank/lowrank/lora/adapter"
)

// A group is the maps that an aggregate is of, under a pattern of their names.
type group struct {
	pattern string
	members []int
}

func numbered(name string, i int) string { return fmt.Sprint(name, i) }

// groupsOf returns the blocks, the kinds of maps and the whole, in the order of
// their first maps. A kind is the last part of a name, a block the name up to
// its last number; one map alone is no aggregate.
func groupsOf(maps []*adapter.Map) []group {
	var blocks, kinds []group
	all := group{pattern: "*"}
	join := func(groups []group, pattern string, i int) []group {
		for k := range groups {
			if groups[k].pattern == pattern {
				groups[k].members = append(groups[k].members, i)
				return groups
			}
		}
		return append(groups, group{pattern, []int{i}})
	}
	for i, m := range maps {
		if block, ok := blockOf(m.Name); ok {
			blocks = join(blocks, block+".*", i)
		}
		kinds = join(kinds, "*."+m.Name[strings.LastIndexByte(m.Name, '.')+1:], i)
		all.members = append(all.members, i)
	}
	groups := append(append(blocks, kinds...), all)
	return slices.DeleteFunc(groups, func(g group) bool { return len(g.members) < 2 })
}

// blockOf returns the name up to its last part that is a number.
func blockOf(name string) (string, bool) {
	parts := strings.Split(name, ".")
	for i := len(parts) - 1; i >= 0; i-- {
		if _, err := strconv.Atoi(parts[i]); err == nil {
			return strings.Join(parts[:i+1], "."), true
		}
	}
	return "", false
}

// aggregate adds the aggregates of the values of a metric: in tier 0 of the
// model alone. Maps without a value are left out.
func (p *Probe) aggregate(i int) {
	m, groups := &table[i], p.groups
	if m.Tier == 0 && len(groups) > 0 {
		groups = groups[len(groups)-1:]
	}
	for _, g := range groups {
		if v, ok := g.of(p.table[i], m.Aggregate); ok {
			p.rows = append(p.rows, Row{p.step, g.pattern, m.Name, v})
		}
	}
}

func (g group) of(cells []cell, a Aggregate) (float64, bool) {
	n, sum, squares, largest := 0, 0.0, 0.0, math.Inf(-1)
	for _, i := range g.members {
		if cells[i].why != nil {
			continue
		}
		v := cells[i].value
		n++
		sum += v
		squares += v * v
		largest = max(largest, v)
	}
	switch a {
	case Mean:
		return sum / float64(n), n > 0
	case Sum:
		return sum, n > 0
	case Largest:
		return largest, n > 0
	default:
		return math.Sqrt(squares), n > 0
	}
}
