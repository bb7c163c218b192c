package ag

import "slices"

// restore makes the outputs of the block of step i again, unless it is the last that
// has run.
func (t *Tape) restore(i int) {
	at, found := slices.BinarySearchFunc(t.blocks, i, func(b block, i int) int {
		switch {
		case b.to <= i:
			return -1
		case b.from > i:
			return 1
		}
		return 0
	})
	if !found {
		return
	}
	b := t.blocks[at]
	if b.memory.by == t && b.memory.block == at {
		return
	}
	if b.light && t.between != nil {
		t.between()
	}
	steps := t.steps[b.from:b.to]
	watched := slices.ContainsFunc(steps, func(s step) bool { return s.v != nil && s.v.watch != nil })
	again := slices.ContainsFunc(steps, func(s step) bool { return s.again })
	if again || watched {
		t.spoilt = t.spoilt || !b.light
		for i := range steps {
			s := &steps[i]
			s.run(s.op == nil || s.again || watched && (s.v == nil || s.v.lent > 0))
		}
	}
	b.memory.hold(t, at)
}

// A cheap operator takes so little time beside what is made of its output that a block
// does not keep that: it runs once more.
type cheap interface{ cheap() }

// A reader is an operator that says which values its Backward reads: those of the
// operands, that of its output. Of others it is taken to be all.
type reader interface {
	reads() (operands, output bool)
}

// reads returns the outputs that a Backward of the steps reads.
func reads(steps []step) map[*Variable]bool {
	read := map[*Variable]bool{}
	for _, s := range steps {
		if s.op == nil {
			continue
		}
		operands, output := true, true
		if r, ok := s.fn.(reader); ok {
			operands, output = r.reads()
		}
		if operands {
			readAll(read, s.fn)
		}
		if output && s.v != nil {
			read[s.v] = true
		}
	}
	return read
}

func readAll(read map[*Variable]bool, f Function) {
	for _, x := range f.Operands() {
		if v, ok := x.Value().(*Variable); ok {
			read[v] = true
		}
	}
}

// choose marks the operators of a block that are to run again: those whose output
// is lent and read, by a Backward or by another one that runs again.
func choose(steps []step, read map[*Variable]bool) {
	for i := len(steps) - 1; i >= 0; i-- {
		s := &steps[i]
		if s.again = s.op != nil && s.v != nil && s.v.lent > 0 && read[s.v]; s.again {
			readAll(read, s.fn)
		}
	}
}
