package analyze

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Options say what is analysed beside each adapter.
type Options struct {
	Base        bool // the adapters were read on their base: compare with it
	Checkpoints bool // the adapters are checkpoints of one run, in their order
}

// A Report is everything that was measured.
type Report struct {
	Adapters []*Adapter
	Modules  []string // of all adapters, in their order
	Values   []Value
	Notes    []Note
	Options
}

// Measure analyses adapters: each alone, against its base, with every other
// one, and their path, where there are such. Two that have a map of one name
// but of another shape are refused.
func Measure(ctx context.Context, adapters []*Adapter, opt Options) (*Report, error) {
	r := &Report{Adapters: adapters, Options: opt}
	shorten(adapters)
	rows := map[string][]*Map{} // of each module, one an adapter, nil where it has none
	for i, a := range adapters {
		for _, m := range a.Maps {
			row := rows[m.Name]
			if row == nil {
				row = make([]*Map, len(adapters))
				rows[m.Name] = row
				r.Modules = append(r.Modules, m.Name)
			}
			for j, other := range row[:i] {
				if other != nil && (other.Out != m.Out || other.In != m.In) {
					return nil, fmt.Errorf("%s is %d×%d in %s, %d×%d in %s: they are not of one base", m.Name, other.Out, other.In, adapters[j].Name, m.Out, m.In, a.Name)
				}
			}
			row[i] = m
		}
	}
	// A sheet for each adapter, then one for each pair, then the path: so the
	// values stand in that order, whatever was done first.
	sheets := make([][]*sheet, len(r.Modules))
	err := parallel(ctx, len(r.Modules), func(i int) {
		module := r.Modules[i]
		sheets[i] = r.module(module, rows[module])
	})
	if err != nil {
		return nil, err
	}
	for k := range len(sheets[0]) {
		for _, all := range sheets {
			r.Values = append(r.Values, all[k].values...)
			for _, n := range all[k].notes {
				if !slices.Contains(r.Notes, n) {
					r.Notes = append(r.Notes, n)
				}
			}
		}
	}
	return r, nil
}

// module measures one map of all adapters.
func (r *Report) module(name string, maps []*Map) []*sheet {
	var sheets []*sheet
	start := func(i int) *sheet {
		s := &sheet{adapter: r.Adapters[i].Name, module: name}
		sheets = append(sheets, s)
		return s
	}
	var b *base
	var failed error
	if r.Base {
		rank, of := 0, (*Map)(nil)
		for _, m := range maps {
			if m != nil {
				rank, of = max(rank, m.Rank), m
			}
		}
		b, failed = baseOf(of, rank)
	}
	for i, m := range maps {
		s := start(i)
		if m == nil {
			continue
		}
		s.alone(m)
		if b != nil {
			s.against(m, b)
		}
		s.note(failed)
	}
	var names []string
	var there []*Map
	for i, m := range maps {
		for j := i + 1; j < len(maps); j++ {
			if s := start(i); m != nil && maps[j] != nil {
				s.other = r.Adapters[j].Name
				s.between(m, maps[j])
			}
		}
		if m != nil {
			names, there = append(names, r.Adapters[i].Name), append(there, m)
		}
	}
	if s := start(0); r.Checkpoints {
		s.path(there, names)
	}
	return sheets
}

// parallel calls f for each of n indices, on as many goroutines as there are
// processors, until the context ends. A panic of f is its error.
func parallel(ctx context.Context, n int, f func(i int)) error {
	var next atomic.Int64
	var group sync.WaitGroup
	var broken atomic.Value
	for range min(runtime.GOMAXPROCS(0), n) {
		group.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					broken.Store(fmt.Errorf("internal error: %v", p))
				}
			}()
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	group.Wait()
	if err, ok := broken.Load().(error); ok {
		return err
	}
	return ctx.Err()
}
