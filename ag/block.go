package ag

// A block is a part of a tape that gives up outputs once it has been built.
type block struct {
	from, to int  // of the tape's steps
	light    bool // it keeps its result alone
	memory   *lending
}

// Beside returns an empty tape whose checkpointed blocks, and whose gradients, lie in
// the memory of those of t. The tapes may run in turns: one after the other forward, and
// backward from one block to the next (see [Tape.Between]).
func (t *Tape) Beside() *Tape { return &Tape{ws: t.ws, lent: t.lent, spare: newLending()} }

// Instead returns an empty tape whose outputs and gradients lie in the memory of
// those of t: one for the same graph on a batch of another shape. The tapes run in
// turns, each forward and backward before another runs forward, after which the outputs
// of those before are no more. They take no more memory than that of the largest shape
// if it was the first.
func (t *Tape) Instead() *Tape { return tapeIn(workspaceIn(t.ws.slabs)) }

// Between lets f run in Backward whenever the outputs of a checkpointed block are about
// to be computed again: when nothing that the tape still needs lies in the memory that
// these blocks share.
func (t *Tape) Between(f func()) { t.between = f }

// Block builds a block of the graph, as build does, and returns what build returns.
// Outputs that no Backward reads, and those of cheap operators, lie in memory that the
// blocks after this one use in turn. Backward makes the latter again, and the former too
// if one of the block's outputs is watched. Who reads an output other than the result
// once the block has been built calls [Tape.Own] for it while it is built. Inside another
// block Block is build alone.
func (t *Tape) Block(build func() Tensor) Tensor { return t.build(build, t.spare, false) }

// Checkpoint is Block, and keeps of the block's outputs the result alone: the others
// lie in memory that all checkpointed blocks of the tape share, and Backward runs
// the block's operators forward once more before it needs them (arXiv 1604.06174),
// except those whose output no Backward reads, unless a block has an output that is
// watched. They compute what they have computed before, so that losses and gradients
// are those of the plain graph, bit for bit.
func (t *Tape) Checkpoint(build func() Tensor) Tensor { return t.build(build, t.lent, true) }

func (t *Tape) build(build func() Tensor, memory *lending, light bool) Tensor {
	if t.building != nil {
		return build()
	}
	t.building = &building{block{from: len(t.steps), light: light, memory: memory}, map[*Variable]bool{}, map[*Variable]bool{}}
	defer func() { t.building = nil }()
	y := build()
	t.Own(y)
	t.finish()
	return y
}

// A building is a block that is being built.
type building struct {
	block
	borrowed map[*Variable]bool // outputs in memory that was free
	owned    map[*Variable]bool
}

// place gives the output of f, where it is one of ours, memory that is free.
func (b *building) place(f Function) {
	o, ok := f.(maker)
	if !ok || !o.result().lazy || o.result().shared {
		return
	}
	v := o.result()
	if data := b.memory.take(v.rows * v.cols); data != nil {
		v.bind(data)
		b.borrowed[v] = true
	}
}

// A maker is an operator whose output is its own.
type maker interface{ result() *Variable }

// Own gives an output of the block that is being built memory of its own: it
// holds what the last forward pass has left there, like any output of no block.
func (t *Tape) Own(x Tensor) {
	if x == nil || t.building == nil {
		return
	}
	v, ok := x.Value().(*Variable)
	if !ok {
		return
	}
	t.building.owned[v] = true
	if v.shared {
		v.keep()
		v.shared = false
	}
}

// keep moves the values of v to memory of its own.
func (v *Variable) keep() {
	data := v.floats(v.rows * v.cols)
	copy(data, v.Floats())
	v.bind(data)
}

// finish ends the block: what it need not keep is free for others.
func (t *Tape) finish() {
	b := t.building
	b.to = len(t.steps)
	t.blocks = append(t.blocks, b.block)
	steps := t.steps[b.from:b.to]
	read := reads(steps)
	for _, s := range steps {
		v := s.v
		if _, ours := s.fn.(maker); !ours || v == nil || v.lazy {
			continue
		}
		_, again := s.fn.(cheap)
		switch {
		case v.shared:
			for _, x := range s.fn.Operands() {
				if of, ok := x.Value().(*Variable); ok && of.lent > 0 {
					v.lent = len(t.blocks)
				}
			}
		case b.owned[v]:
			if b.borrowed[v] {
				b.memory.give(v.data)
				v.keep()
			}
		case b.light || again || !read[v]:
			v.lent = len(t.blocks)
			b.memory.give(v.data)
		}
	}
	choose(steps, read)
	b.memory.hold(t, len(t.blocks)-1)
}

// checkOperands fails if an operand of f lies in memory that belongs to a block
// which is complete.
func (t *Tape) checkOperands(f Function) {
	for _, x := range f.Operands() {
		if v, ok := x.Value().(*Variable); ok && v.lent > 0 {
			fail("Block", "an operand of %T, %d×%d, is of block %d of the tape, whose memory others use: own it there", f, v.rows, v.cols, v.lent)
		}
	}
}
