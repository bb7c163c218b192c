package ag_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
)

// A block is a small graph with a fan-out of three at x, a norm, a low-rank
// map and a loss.
type block struct {
	tape          *ag.Tape
	x, a, b       *ag.Variable
	hidden, logit ag.Tensor
	loss          ag.Tensor
}

func newBlock() *block {
	g := &block{tape: ag.NewTape(), x: agtest.Random(5, 12, 1), a: agtest.Random(3, 12, 2), b: agtest.Random(12, 3, 3)}
	w := ag.NewWeight(12, 12, agtest.Random(12, 12, 4).Floats())
	norm := g.tape.Run(ag.NewRMSNorm(g.x, agtest.Random(1, 12, 5), 1e-5))
	up := g.tape.Run(ag.NewLowRankLinear(norm, w, g.a, g.b, 0.5, nil))
	g.hidden = g.tape.Run(ag.NewSwiGLU(up, g.x))
	g.logit = g.tape.Run(ag.NewAdd(g.hidden, g.x))
	g.loss = g.tape.Run(ag.NewCrossEntropy(g.logit, []int32{1, 11, -1, 0, 5}))
	return g
}

func (g *block) zero() {
	for _, v := range []*ag.Variable{g.x, g.a, g.b} {
		v.ZeroGrad()
	}
}

func (g *block) gradients() (all []float32) {
	return slices.Concat(g.x.GradFloats(), g.a.GradFloats(), g.b.GradFloats())
}

func (g *block) backward(t *testing.T) {
	t.Helper()
	if err := g.tape.Backward(g.loss); err != nil {
		t.Fatal(err)
	}
}

func TestReplay(t *testing.T) {
	g := newBlock()
	g.backward(t)
	loss, want := ag.Floats(g.loss)[0], g.gradients()
	memory := g.tape.Bytes()
	for range 3 {
		g.a.Floats()[0]++
		g.tape.Replay()
		if ag.Floats(g.loss)[0] == loss {
			t.Fatal("a replay does not see new values of a parameter")
		}
		g.zero()
		g.backward(t)

		g.a.Floats()[0]--
		g.tape.Replay()
		g.zero()
		g.backward(t)
		if got := g.gradients(); ag.Floats(g.loss)[0] != loss || !slices.Equal(got, want) {
			t.Fatal("a replay on the same values gives other results")
		}
	}
	if g.tape.Bytes() != memory {
		t.Errorf("replays took the tape from %d to %d bytes", memory, g.tape.Bytes())
	}
	if g.tape.Len() != 5 {
		t.Errorf("the tape has %d operators, want 5", g.tape.Len())
	}
}

func TestRetain(t *testing.T) {
	g := newBlock()
	hidden := g.hidden.Value().(*ag.Variable)
	logit := g.logit.Value().(*ag.Variable)
	g.backward(t)
	if hidden.HasGrad() || hidden.Grad() != nil || hidden.GradFloats() != nil {
		t.Error("the gradient of an output outlived the backward pass")
	}
	hidden.Retain()
	logit.Retain()
	for range 2 { // what was retained is not added to
		g.backward(t)
		if !slices.Equal(hidden.GradFloats(), logit.GradFloats()) || len(hidden.GradFloats()) != 60 {
			t.Error("hidden and logit = hidden + x have other gradients")
		}
	}
	var total float32 // of the rows with a target: the logits of a softmax shifted alike change nothing
	for _, v := range logit.GradFloats() {
		total += v
	}
	if total > 1e-6 || total < -1e-6 {
		t.Errorf("the gradient of the logits sums to %g, want 0", total)
	}
}

func TestRoot(t *testing.T) {
	g := newBlock()
	err := g.tape.Backward(g.hidden)
	if err == nil || err.Error() != "ag: Backward: the root is 5×12: must be 1×1" {
		t.Errorf("the error is %v", err)
	}
	if g.x.HasGrad() {
		t.Error("a refused root left gradients")
	}
}

// Branches that the root does not reach, and those without a trained leaf, get
// and give no gradient.
func TestBranches(t *testing.T) {
	g := newBlock()
	g.backward(t)
	want := g.gradients()

	g = newBlock()
	frozen := ag.NewVariable(5, 12, nil)
	aside := g.tape.Run(ag.NewMul(g.logit, g.logit))
	still := g.tape.Run(ag.NewGELU(frozen))
	aside.Value().(*ag.Variable).Retain()
	g.backward(t)
	if aside.HasGrad() || still.HasGrad() || frozen.HasGrad() {
		t.Error("a branch beside the root has a gradient")
	}
	if !slices.Equal(g.gradients(), want) {
		t.Error("a branch beside the root changed the gradients")
	}

	constant := g.tape.Run(ag.NewOrthogonality(frozen, true))
	g.zero()
	if err := g.tape.Backward(constant); err != nil {
		t.Error(err)
	}
	if frozen.HasGrad() || g.x.HasGrad() {
		t.Error("a root without trained leaves gave gradients")
	}
	g.zero()
	g.backward(t)
	if !slices.Equal(g.gradients(), want) {
		t.Error("a backward pass over another root changed the next one")
	}
}

// A failing is y = x whose Backward fails while broken is set.
type failing struct {
	x      ag.Tensor
	broken bool
}

func (f *failing) Operands() []ag.Tensor       { return []ag.Tensor{f.x} }
func (f *failing) Forward() (ag.Tensor, error) { return ag.NewVariable(1, 1, ag.Floats(f.x)), nil }
func (f *failing) Backward(gy ag.Tensor) error {
	if f.broken {
		return errors.New("broken")
	}
	f.x.AccGrad(gy)
	return nil
}

func TestFailingBackward(t *testing.T) {
	g := newBlock()
	g.backward(t)
	want := g.gradients()
	g.zero()

	f := &failing{x: g.loss, broken: true}
	root := g.tape.Run(f)
	if err := g.tape.Backward(root); err == nil || err.Error() != "ag: Backward: broken" {
		t.Errorf("the error is %v", err)
	}
	f.broken = false
	g.zero()
	if err := g.tape.Backward(root); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(g.gradients(), want) {
		t.Error("a failed backward pass changed the next one")
	}
}

func TestGuard(t *testing.T) {
	tape := ag.NewTape()
	err := ag.Guard(func() {
		tape.Run(ag.NewAdd(ag.NewVariable(2, 3, nil), ag.NewVariable(3, 2, nil)))
	})
	var shape *ag.ShapeError
	if !errors.As(err, &shape) || shape.Op != "Add" || tape.Len() != 0 {
		t.Errorf("the error is %v, the tape has %d operators", err, tape.Len())
	}
	if err := ag.Guard(func() {}); err != nil {
		t.Error(err)
	}
	defer func() {
		if p := recover(); p != "other" {
			t.Errorf("another panic became %v", p)
		}
	}()
	ag.Guard(func() { panic("other") })
}

// Ids and targets that were changed out of range are found before they are
// read, and the tape goes on after they were put right.
func TestIDsOutOfRange(t *testing.T) {
	for _, id := range []int32{-1, 4, 1 << 30, -1 << 31} {
		tape := ag.NewTape()
		ids, targets := []int32{0, 3}, []int32{-1, 2}
		y := tape.Run(ag.NewEmbedding(ag.NewVariable(4, 3, nil), ids))
		tape.Run(ag.NewCrossEntropy(y, targets))
		ids[1] = id
		if err := ag.Guard(tape.Replay); err == nil || !strings.HasPrefix(err.Error(), "ag: Embedding: id ") {
			t.Errorf("id %d: the error is %v", id, err)
		}
		ids[1] = 2
		if id >= 0 {
			targets[0] = id
			if err := ag.Guard(tape.Replay); err == nil || !strings.HasPrefix(err.Error(), "ag: CrossEntropy: target ") {
				t.Errorf("target %d: the error is %v", id, err)
			}
		}
		targets[0] = -1
		if err := ag.Guard(tape.Replay); err != nil {
			t.Error(err)
		}
	}
}

// Of the blocks of a tape one output is kept, and those that are owned; gradients
// are those of the plain tape, a block that nothing trains is not run again, and
// whoever reads what is no longer there is told so.
func TestCheckpoint(t *testing.T) {
	const m, n = 3, 5
	x, w := agtest.Random(m, n, 1), agtest.Random(n, n, 2)
	w.SetRequiresGrad(true)
	var inner ag.Tensor
	graph := func(tape *ag.Tape, block func(func() ag.Tensor) ag.Tensor) ag.Tensor {
		y := ag.Tensor(x)
		for range 3 {
			y = block(func() ag.Tensor {
				inner = tape.Run(ag.NewReshape(tape.Run(ag.NewLinear(y, w)), n, m))
				return tape.Run(ag.NewGELU(tape.Run(ag.NewReshape(inner, m, n))))
			})
		}
		return tape.Run(ag.NewMeanSquare(y, make([]float32, m*n)))
	}
	gradient := func(tape *ag.Tape, loss ag.Tensor) []float32 {
		w.ZeroGrad()
		if err := tape.Backward(loss); err != nil {
			t.Fatal(err)
		}
		return slices.Clone(w.GradFloats())
	}
	plain, tape := ag.NewTape(), ag.NewTape()
	want := graph(plain, func(build func() ag.Tensor) ag.Tensor { return build() })
	got := graph(tape, tape.Checkpoint)
	for range 2 {
		if !slices.Equal(ag.Floats(got), ag.Floats(want)) || !slices.Equal(gradient(tape, got), gradient(plain, want)) {
			t.Error("the loss or the gradient differs")
		}
		plain.Replay()
		tape.Replay()
	}
	if err := ag.Guard(func() { tape.Run(ag.NewScale(inner, 2)) }); err == nil {
		t.Error("an output that blocks share is read outside of its block")
	}
	own := ag.NewTape()
	graph(own, func(build func() ag.Tensor) ag.Tensor {
		return own.Checkpoint(func() ag.Tensor {
			y := build()
			own.Own(inner)
			return y
		})
	})
	if err := ag.Guard(func() { own.Run(ag.NewScale(inner, 2)) }); err != nil {
		t.Error(err)
	}
	if n := testing.AllocsPerRun(5, func() { tape.Replay(); gradient(tape, got) }); n > 1 { // the clone
		t.Errorf("%v allocations a step", n)
	}
}

// Tapes beside each other have the gradients that each has alone, whichever has run
// last, and in turns between their blocks; they share the memory of the blocks.
func TestBeside(t *testing.T) {
	const m, n, blocks, tapes = 64, 32, 3, 4
	w := agtest.Random(n, n, 9)
	w.SetRequiresGrad(true)
	graph := func(tape *ag.Tape, seed uint64) ag.Tensor {
		y := ag.Tensor(agtest.Random(m, n, seed))
		for range blocks {
			y = tape.Checkpoint(func() ag.Tensor { return tape.Run(ag.NewLinear(tape.Run(ag.NewGELU(tape.Run(ag.NewLinear(y, w)))), w)) })
		}
		return tape.Run(ag.NewMeanSquare(y, make([]float32, m*n)))
	}
	backward := func(tape *ag.Tape, loss ag.Tensor) []float32 {
		w.ZeroGrad()
		if err := tape.Backward(loss); err != nil {
			t.Fatal(err)
		}
		return slices.Clone(w.GradFloats())
	}
	first, alone := ag.NewTape(), 0
	var all []*ag.Tape
	var losses []ag.Tensor
	var want [][]float32
	for i := range tapes {
		own := ag.NewTape()
		want = append(want, backward(own, graph(own, uint64(i))))
		all = append(all, first.Beside())
		losses = append(losses, graph(all[i], uint64(i)))
		alone = own.Bytes()
	}
	for i, tape := range all { // of which the last has left its outputs in the memory
		if !slices.Equal(backward(tape, losses[i]), want[i]) {
			t.Errorf("tape %d has another gradient than alone", i)
		}
	}
	if more := all[0].Bytes() - alone; more > 0 {
		t.Errorf("a tape beside others takes %d bytes more than one alone", more)
	}
	in := 0
	var turn func(i int)
	turn = func(i int) {
		if i == len(all) {
			return
		}
		all[i].Between(func() {
			if in++; i+1 < len(all) && in%2 == 1 { // all of the next one in the middle of this
				g := slices.Clone(w.GradFloats())
				if !slices.Equal(backward(all[i+1], losses[i+1]), want[i+1]) {
					t.Errorf("tape %d has another gradient in the middle of tape %d", i+1, i)
				}
				if w.ZeroGrad(); g != nil {
					ag.Accumulate(w, func(dw []float32, _ bool) { copy(dw, g) })
				}
			}
		})
		if !slices.Equal(backward(all[i], losses[i]), want[i]) {
			t.Errorf("tape %d, which waited, has another gradient than alone", i)
		}
		all[i].Between(nil)
	}
	turn(0)
	if in == 0 {
		t.Error("nothing ran between blocks")
	}
}

// A watch sees the whole gradient of an output that is used twice, once a pass,
// and the output itself, even where it lies in memory that blocks share.
func TestWatch(t *testing.T) {
	tape := ag.NewTape()
	x := ag.NewParameter(2, 3, []float32{1, 2, 3, 4, 5, 6})
	var y ag.Tensor
	z := tape.Checkpoint(func() ag.Tensor {
		y = tape.Run(ag.NewScale(x, 2))
		return tape.Run(ag.NewAdd(y, y))
	})
	z = tape.Checkpoint(func() ag.Tensor { return tape.Run(ag.NewScale(tape.Run(ag.NewScale(z, 1)), 1)) })
	loss := tape.Run(ag.NewMeanSquare(z, make([]float32, 6)))
	var seen [][]float32
	v := y.Value().(*ag.Variable)
	for pass := range 3 {
		v.Watch(nil)
		if pass == 1 {
			v.Watch(func(g []float32) {
				seen = append(seen, append([]float32(nil), g...))
				for i, y := range ag.Floats(y) {
					if y != 2*x.Floats()[i] {
						t.Errorf("output %d is %v", i, y)
					}
				}
			})
		}
		x.ZeroGrad()
		tape.Replay()
		if err := tape.Backward(loss); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 1 {
		t.Fatalf("the watch was called %d times, want 1", len(seen))
	}
	for i, g := range seen[0] {
		if want := x.GradFloats()[i] / 2; g != want { // y is 2·x
			t.Errorf("gradient %d is %v, want %v", i, g, want)
		}
	}
}

// counted counts how often an operator runs.
type counted struct {
	*ag.Linear
	runs *int
}

func (f counted) Forward() (ag.Tensor, error) {
	*f.runs++
	return f.Linear.Forward()
}

// Of a block that is not the last what its gradients need runs once more, and
// nothing else.
func TestCheckpointRunsAgain(t *testing.T) {
	const m, n = 3, 5
	x, a, b := agtest.Random(m, n, 1), agtest.Random(n, n, 2), agtest.Random(n, n, 3)
	a.SetRequiresGrad(true)
	b.SetRequiresGrad(true)
	tape, first, last := ag.NewTape(), [3]int{}, [3]int{}
	y := ag.Tensor(x)
	for i := range first {
		y = tape.Checkpoint(func() ag.Tensor {
			h := tape.Run(ag.NewGELU(tape.Run(counted{ag.NewLinear(y, a), &first[i]})))
			return tape.Run(ag.NewAdd(y, tape.Run(counted{ag.NewLinear(h, b), &last[i]})))
		})
	}
	if err := tape.Backward(tape.Run(ag.NewMeanSquare(y, make([]float32, m*n)))); err != nil {
		t.Fatal(err)
	}
	if first != [3]int{2, 2, 1} || last != [3]int{1, 1, 1} {
		t.Errorf("the maps ran %v and %v times", first, last)
	}
}
