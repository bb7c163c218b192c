package ag_test

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
	spago "github.com/nlpodyssey/spago/ag"
	"github.com/nlpodyssey/spago/mat"
	"github.com/nlpodyssey/spago/mat/gradfn"
	"github.com/nlpodyssey/spago/nn"
)

// A mixed graph alternates operators of this package with spago's, over a
// variable, a spago matrix, a parameter of either kind and a frozen matrix.
type mixed struct {
	leaves []ag.Tensor
	loss   ag.Tensor
}

func newMixed(run func(ag.Function) ag.Tensor) *mixed {
	const m, n, r = 5, 7, 3
	wrapped := agtest.Random(n, n, 4)
	dense := mat.NewDense[float32](mat.WithShape(r, n), mat.WithBacking(agtest.Random(r, n, 2).Floats()))
	dense.SetRequiresGrad(true)
	param := nn.NewParam(mat.NewDense[float32](mat.WithShape(n, r), mat.WithBacking(agtest.Random(n, r, 3).Floats())))
	x, a, b, w := agtest.Random(m, n, 1), dense, param, &nn.Param{Matrix: wrapped}
	fixed := frozen(agtest.Random(m, n, 5))

	h := run(ag.NewLowRankLinear(x, ag.NewWeight(n, n, agtest.Random(n, n, 6).Floats()), a, b, 0.5, nil))
	sum := run(gradfn.NewAdd[ag.Tensor](h, x))
	prod := run(gradfn.NewProd[ag.Tensor](sum, fixed))
	gated := run(ag.NewSwiGLU(prod, sum))
	mapped := run(ag.NewLinear(gated, w))
	square := run(gradfn.NewSub[ag.Tensor](run(ag.NewMul(mapped, mapped)), prod))
	loss := run(ag.NewCrossEntropy(square, []int32{0, 6, -1, 3, 3}))
	penalty := run(ag.NewOrthogonality(a, true))
	scaled := run(gradfn.NewAdd[ag.Tensor](loss, penalty))
	return &mixed{[]ag.Tensor{x, a, b, w, fixed}, scaled}
}

// Graphs that mix this package's operators with spago's give the same
// gradients under the tape and under spago's Backward.
func TestMixed(t *testing.T) {
	tape := ag.NewTape()
	ours := newMixed(tape.Run)
	if err := tape.Backward(ours.loss); err != nil {
		t.Fatal(err)
	}
	theirs := newMixed(func(f ag.Function) ag.Tensor { return spago.NewOperator(f).Run() })
	if err := spago.Backward(theirs.loss); err != nil {
		t.Fatal(err)
	}
	compare := func(when string) {
		t.Helper()
		for i := range ours.leaves {
			if !ours.leaves[i].HasGrad() || !theirs.leaves[i].HasGrad() {
				if i != 4 {
					t.Errorf("%s: leaf %d has no gradient", when, i)
				}
				continue
			}
			if i == 4 {
				t.Errorf("%s: the frozen leaf has a gradient", when)
			}
			got, want := ag.Floats(ours.leaves[i].Grad()), ag.Floats(theirs.leaves[i].Grad())
			var largest, off float64
			for e := range want {
				largest = max(largest, math.Abs(float64(want[e])))
				off = max(off, math.Abs(float64(got[e]-want[e])))
			}
			// Gradients that meet at an operand may be added in another order.
			if largest == 0 || !(off <= 1e-5*largest) {
				t.Errorf("%s: leaf %d is off by %g of %g", when, i, off, largest)
			}
		}
	}
	compare("first pass")

	for _, x := range ours.leaves {
		x.ZeroGrad()
	}
	tape.Replay()
	if err := tape.Backward(ours.loss); err != nil {
		t.Fatal(err)
	}
	compare("replay")
}

// A slow is an operand that takes its time, so that others come between.
type slow struct{ *ag.Variable }

func (s slow) Value() ag.Tensor {
	time.Sleep(time.Millisecond)
	return s.Variable
}

// Two operators that write the gradients of the same operands in another order
// do not wait for each other, as spago's Backward would run them: at once.
func TestNoDeadlock(t *testing.T) {
	x, y := slow{agtest.Random(1, 1, 1)}, slow{agtest.Random(1, 1, 2)}
	dy := ag.NewVariable(1, 1, nil)
	var both sync.WaitGroup
	for _, f := range []ag.Function{ag.NewSwiGLU(x, y), ag.NewSwiGLU(y, x)} {
		both.Go(func() {
			for range 5 {
				if err := f.Backward(dy); err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
}
