package ag

import (
	"fmt"

	"github.com/nlpodyssey/spago/ag"
)

// A Tape records operators in the order of their creation, which is a
// topological order, and runs their backward functions in reverse, one at a
// time. Parallelism belongs to the kernels. It is not for concurrent use; two
// tapes may run side by side, also over the same frozen weights.
type Tape struct {
	steps []step
	ws    *Workspace

	blocks   []block
	building *building // nil: none
	lent     *lending  // what checkpointed blocks share
	spare    *lending  // what other blocks need no more
	spoilt   bool      // Backward has written over outputs that another one needs
	between  func()    // see [Tape.Between]
}

type step struct {
	op *ag.Operator // nil: do stands in its place
	fn Function
	v  *Variable // the output, nil for a stock spago function
	do func()

	again bool // in a block: it runs once more before the block's Backward
}

// run runs the operator forward, or what stands in its place, if it is wanted.
func (s *step) run(wanted bool) {
	switch {
	case !wanted:
	case s.op == nil:
		s.do()
	default:
		s.op.Run()
	}
}

// NewTape returns an empty tape with a workspace of its own.
func NewTape() *Tape { return tapeIn(NewWorkspace()) }

func tapeIn(w *Workspace) *Tape { return &Tape{ws: w, lent: newLending(), spare: newLending()} }

// Run records f, runs it forward and returns its output.
func (t *Tape) Run(f Function) Tensor {
	if len(t.blocks) > 0 {
		t.checkOperands(f)
	}
	if o, ok := f.(maker); ok {
		o.result().ws = t.ws
	}
	if t.building != nil {
		t.building.place(f)
	}
	op := ag.NewOperator(f).Run()
	v, _ := op.Value().(*Variable)
	if v != nil {
		v.ws = t.ws
	}
	t.steps = append(t.steps, step{op: op, fn: f, v: v})
	return op
}

// Do runs f now, and again at this place in every replay: what follows from
// the inputs and is no tensor, positions for instance, is computed anew there.
func (t *Tape) Do(f func()) {
	f()
	t.steps = append(t.steps, step{do: f})
}

// Replay runs every recorded operator forward again, on the present contents
// of its operands.
func (t *Tape) Replay() {
	for i := range t.steps {
		t.steps[i].run(true)
	}
	for i, b := range t.blocks {
		b.memory.hold(t, i)
	}
	t.spoilt = false
}

// Backward adds to the leaves that require it the gradient of root, a 1×1
// output of this tape. The gradients of recorded outputs are gone afterwards,
// except where [Variable.Retain] asked for them.
//
// A pass of a tape with blocks may write over outputs: one more without a forward
// pass before it then begins with a replay, on what the inputs hold by then.
func (t *Tape) Backward(root Tensor) error {
	if rows, cols := Dims(root); rows != 1 || cols != 1 {
		return fmt.Errorf("ag: Backward: the root is %d×%d: must be 1×1", rows, cols)
	}
	if t.spoilt {
		t.Replay()
	}
	for _, s := range t.steps { // what was retained, or left by a pass that was cut short
		if s.op != nil {
			s.op.ZeroGrad()
		}
	}
	Accumulate(root, func(g []float32, _ bool) { g[0] = 1 })
	for i := len(t.steps) - 1; i >= 0; i-- {
		s := t.steps[i]
		if s.op == nil || !s.op.RequiresGrad() || !s.op.HasGrad() {
			continue
		}
		t.restore(i)
		if s.v != nil && s.v.watch != nil {
			s.v.watch(s.v.GradFloats())
		}
		if err := s.fn.Backward(s.op.Grad()); err != nil {
			return fmt.Errorf("ag: Backward: %w", err)
		}
		if s.v == nil || !s.v.retain {
			s.op.ZeroGrad()
		}
	}
	return nil
}

// Len returns the number of recorded operators.
func (t *Tape) Len() int { return len(t.steps) }

// A saver is an operator that keeps values for its Backward beside its output.
type saver interface{ saved() int }

// Bytes returns the memory of the outputs, of what operators keep beside them, of
// what blocks share, and of the lent gradient buffers.
func (t *Tape) Bytes() int {
	n := t.ws.Bytes()
	for _, s := range t.steps {
		if s.v != nil && !s.v.shared && s.v.lent == 0 {
			n += 4 * len(s.v.data)
		}
		if f, ok := s.fn.(saver); ok {
			n += 4 * f.saved()
		}
	}
	return n + t.lent.bytes() + t.spare.bytes()
}
