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

func (f *failing) Operands() []ag.Tensor { return []ag.Tensor{f.x} }

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

// Sums hand their gradient on with its memory; where each output keeps its own, the
// gradients are the same. One stands in a sum twice.
func TestSumsHandOn(t *testing.T) {
	gradients := func(retain bool) (all []float32) {
		x, bias := agtest.Random(4, 6, 1), agtest.Random(1, 6, 2)
		tape := ag.NewTape()
		run := func(f ag.Function) ag.Tensor {
			y := tape.Run(f)
			if v, ok := y.Value().(*ag.Variable); ok && retain {
				v.Retain()
			}
			return y
		}
		a := run(ag.NewScale(x, 2))
		b := run(ag.NewMul(a, x))
		c := run(ag.NewScale(x, 5))
		twice := run(ag.NewAdd(c, c))
		sum := run(ag.NewAddBias(run(ag.NewAdd(twice, a)), bias))
		sum = run(ag.NewAdd(run(ag.NewMul(sum, b)), sum))
		loss := run(ag.NewMeanSquare(run(ag.NewAdd(run(ag.NewTanh(sum)), run(ag.NewScale(a, 3)))), make([]float32, 24)))
		for range 2 {
			x.ZeroGrad()
			bias.ZeroGrad()
			tape.Replay()
			if err := tape.Backward(loss); err != nil {
				t.Fatal(err)
			}
		}
		return slices.Concat(x.GradFloats(), bias.GradFloats())
	}
	if got, want := gradients(false), gradients(true); !slices.Equal(got, want) {
		t.Errorf("gradients %v, where all are kept %v", got, want)
	}
}
