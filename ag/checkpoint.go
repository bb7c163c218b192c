package ag

import "slices"

// A block is a part of a tape whose outputs are not kept: its operators share
// their memory with those of the other blocks.
type block struct{ from, to int } // of the tape's steps

// A lending is memory that blocks share, and whose outputs lie in it.
type lending struct {
	buffers map[int][][]float32 // by size
	by      *Tape
	block   int
}

// hold notes that the outputs of a block of a tape have been computed there.
func (l *lending) hold(by *Tape, block int) { l.by, l.block = by, block }

// Beside returns an empty tape whose blocks, and whose gradients, lie in the memory of
// those of t. The tapes may run in turns: one after the other forward, and backward
// from one block to the next (see [Tape.Between]).
func (t *Tape) Beside() *Tape { return &Tape{ws: t.ws, lent: t.lent} }

// Between lets f run in Backward whenever the outputs of a block are about to be
// computed again: when nothing that the tape still needs lies in the memory that its
// blocks share.
func (t *Tape) Between(f func()) { t.between = f }

// Checkpoint builds a block of the graph, as build does, and returns what build
// returns. Of the block's outputs the tape keeps this one alone; the others lie in
// memory that all blocks of the tape share, and Backward runs the block's
// operators forward once more before it needs them (arXiv 1604.06174), except those
// whose output no Backward reads, unless a block has an output that is watched. They
// compute what they have computed before, so that losses and gradients are those of
// the plain graph, bit for bit. Who reads another output of the block afterwards
// calls [Tape.Own] for it while the block is built. Inside another block Checkpoint
// is build alone.
func (t *Tape) Checkpoint(build func() Tensor) Tensor {
	if t.building {
		return build()
	}
	t.building = true
	defer func() { t.building = false }()
	from := len(t.steps)
	t.blocks = append(t.blocks, block{from, from})
	y := build()
	t.Own(y)
	t.blocks[len(t.blocks)-1].to = len(t.steps)
	t.choose(t.steps[from:])
	clear(t.taken)
	return y
}

// Own gives an output of the block that is being built memory of its own: it
// holds what the last forward pass has left there, like any output of no block.
func (t *Tape) Own(x Tensor) {
	if x == nil {
		return
	}
	if v, ok := x.Value().(*Variable); ok && v.lent > 0 {
		v.bind(slices.Clone(v.data))
		v.lent, v.shared = 0, false
	}
}

// lend gives the output of f, where it is one of ours, memory that the blocks
// share.
func (t *Tape) lend(f Function) {
	o, ok := f.(interface{ result() *Variable })
	if !ok || !o.result().lazy || o.result().shared {
		return
	}
	v := o.result()
	n := v.rows * v.cols
	if t.taken == nil {
		t.taken = map[int]int{}
	}
	l := t.lent
	if l.buffers == nil {
		l.buffers = map[int][][]float32{}
	}
	if t.taken[n] == len(l.buffers[n]) {
		l.buffers[n] = append(l.buffers[n], make([]float32, n))
	}
	v.bind(l.buffers[n][t.taken[n]])
	v.lent = len(t.blocks)
	t.taken[n]++
}

// checkOperands fails if an operand of f lies in memory that belongs to a block
// which is complete.
func (t *Tape) checkOperands(f Function) {
	for _, x := range f.Operands() {
		if v, ok := x.Value().(*Variable); ok && v.lent > 0 && !(t.building && v.lent == len(t.blocks)) {
			fail("Checkpoint", "an operand of %T, %d×%d, is of block %d of the tape, whose memory others use: own it there", f, v.rows, v.cols, v.lent)
		}
	}
}

// restore runs the block of step i forward again, unless it is the last that
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
	if !found || t.lent.by == t && t.lent.block == at {
		return
	}
	if t.between != nil {
		t.between()
	}
	steps := t.steps[t.blocks[at].from:t.blocks[at].to]
	watched := slices.ContainsFunc(steps, func(s step) bool { return s.v != nil && s.v.watch != nil })
	for i := range steps {
		steps[i].run(watched || steps[i].op == nil || steps[i].again)
	}
	t.lent.hold(t, at)
}

// A reader is an operator that says which values its Backward reads: those of the
// operands, that of its output. Of others it is taken to be all.
type reader interface {
	reads() (operands, output bool)
}

// choose marks the operators of a block that are to run again: those whose output
// is lent and read, by a Backward or by another one that runs again.
func (t *Tape) choose(steps []step) {
	read := map[*Variable]bool{}
	for i := len(steps) - 1; i >= 0; i-- {
		s := &steps[i]
		if s.op == nil {
			continue
		}
		operands, output := true, true
		if r, ok := s.fn.(reader); ok {
			operands, output = r.reads()
		}
		s.again = s.v != nil && s.v.lent > 0 && (output || read[s.v])
		for _, x := range s.fn.Operands() {
			if v, ok := x.Value().(*Variable); ok && (operands || s.again) {
				read[v] = true
			}
		}
	}
}
