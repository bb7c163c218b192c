package kernels

import (
	"fmt"
	"math"
)

// A Mask says which keys a query sees: a run of them. Query i of sequence b stands
// at i + Offset among the keys, and sees key j if
//
//	First[b] ≤ j < End[b]       the keys before and behind are padding
//	j ≤ i + Offset              with Causal
//	|i + Offset - j| < Window   with a Window above 0
//
// The zero Mask shows all keys to every query.
type Mask struct {
	Causal     bool
	Offset     int   // how many keys come before the first query's own, as in a cache
	Window     int   // 0: as many as there are
	First, End []int // one a sequence; nil: 0 and the number of keys
}

// Check returns what is wrong with m for so many sequences, queries and keys, by the
// name of the field; Attention panics with it.
func (m *Mask) Check(batch, queries, keys int) error {
	most := math.MaxInt - queries
	switch {
	case m.Offset < 0 || m.Offset > most:
		return fmt.Errorf("Offset = %d, need 0 to %d", m.Offset, most)
	case m.Window < 0:
		return fmt.Errorf("Window = %d, need at least 0", m.Window)
	}
	for _, edge := range []struct {
		name string
		keys []int
	}{{"First", m.First}, {"End", m.End}} {
		if edge.keys != nil && len(edge.keys) != batch {
			return fmt.Errorf("len(%s) = %d, need %d", edge.name, len(edge.keys), batch)
		}
		for b, key := range edge.keys {
			if key < 0 || key > keys {
				return fmt.Errorf("%s[%d] = %d, need 0 to %d", edge.name, b, key, keys)
			}
		}
	}
	return nil
}

// Keys returns which keys query i of sequence b sees, of so many: from, …, to-1.
func (m *Mask) Keys(b, i, keys int) (from, to int) {
	r := m.sees(b, i, keys)
	return r.from, r.to
}

// Sees reports whether it sees any.
func (m *Mask) Sees(b, i, keys int) bool {
	from, to := m.Keys(b, i, keys)
	return from < to
}

// A run is the keys from, …, to-1 of a block of them.
type run struct{ from, to int }

// sees returns the keys that query i of sequence b sees, of so many. Neither end of
// it is before that of the query before.
func (m *Mask) sees(b, i, keys int) run {
	first, end := 0, keys
	if m.First != nil {
		first = m.First[b]
	}
	if m.End != nil {
		end = max(first, m.End[b])
	}
	r, at := run{first, end}, i+m.Offset
	if m.Window > 0 {
		r.from = max(first, min(at-m.Window+1, end))
		if m.Window < end-at {
			r.to = max(first, at+m.Window)
		}
	}
	if m.Causal {
		r.to = max(first, min(at+1, end))
	}
	r.to = max(r.from, r.to)
	return r
}

// within returns the part of r that lies in a block of n keys from first on, counted
// from there.
func (r run) within(first, n int) run {
	from := max(0, min(r.from-first, n))
	return run{from, max(from, min(r.to-first, n))}
}
