package ag_test

import (
	"math"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
)

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
	least := math.Inf(1)
	for range 3 { // the runtime allocates too, when a collection begins
		least = min(least, testing.AllocsPerRun(5, func() { tape.Replay(); gradient(tape, got) }))
	}
	if least > 1 { // the clone
		t.Errorf("%v allocations a step", least)
	}
}

// Outputs of a block that no Backward reads give their memory to the blocks behind:
// losses and gradients stay, of a second pass backward too, and a watch sees what was
// there.
func TestBlock(t *testing.T) {
	const m, n, blocks = 64, 32, 5
	w := agtest.Random(n, n, 9)
	w.SetRequiresGrad(true)
	x, runs := agtest.Random(m, n, 8), 0
	graph := func(tape *ag.Tape, block func(func() ag.Tensor) ag.Tensor) (loss ag.Tensor, dead []ag.Tensor) {
		y := ag.Tensor(x)
		for i := range blocks {
			y = block(func() ag.Tensor {
				add := y
				if i != 2 && i != 4 {
					add = tape.Run(counted{ag.NewLinear(y, w), &runs})
					dead = append(dead, add)
				}
				return tape.Run(ag.NewGELU(tape.Run(ag.NewAdd(y, add))))
			})
		}
		return tape.Run(ag.NewMeanSquare(y, make([]float32, m*n))), dead
	}
	plain, tape := ag.NewTape(), ag.NewTape()
	want, all := graph(plain, func(build func() ag.Tensor) ag.Tensor { return build() })
	got, dead := graph(tape, tape.Block)
	tape.Between(func() { t.Error("it is called between blocks that are no checkpoints") })
	// Add reads nothing, so that the memory of the maps' outputs goes from block 0 to
	// the map of 1 and the sum of 2, and from 3 to the sum of 4.
	if less := plain.Bytes() - tape.Bytes(); less != 3*4*m*n {
		t.Errorf("blocks take %d bytes less, want %d", less, 3*4*m*n)
	}
	gradient := func(tape *ag.Tape, loss ag.Tensor) []float32 {
		w.ZeroGrad()
		if err := tape.Backward(loss); err != nil {
			t.Fatal(err)
		}
		return slices.Clone(w.GradFloats())
	}
	for _, watched := range []bool{false, true, false} {
		plain.Replay()
		tape.Replay()
		seen := 0
		for i, y := range dead {
			f := func([]float32) {
				seen++
				if !slices.Equal(ag.Floats(y), ag.Floats(all[i])) {
					t.Errorf("output %d is not what it was", i)
				}
			}
			if !watched {
				f = nil
			}
			y.Value().(*ag.Variable).Watch(f)
		}
		before := runs
		for pass := range 2 {
			if !slices.Equal(ag.Floats(got), ag.Floats(want)) || !slices.Equal(gradient(tape, got), gradient(plain, want)) {
				t.Errorf("watched %t, pass %d: the loss or the gradient differs", watched, pass)
			}
		}
		if runs -= before; !watched && runs != 0 {
			t.Errorf("%d maps ran again", runs)
		}
		if watched && seen != 2*len(dead) {
			t.Errorf("%d outputs were seen, want %d", seen, 2*len(dead))
		}
	}
	if err := ag.Guard(func() { tape.Run(ag.NewScale(dead[0], 2)) }); err == nil {
		t.Error("an output that others write over is read outside of its block")
	}
}

// What a cheap operator makes is made once more for the gradients that read it.
func TestCheap(t *testing.T) {
	const m, n, blocks = 16, 12, 4
	w, gain := agtest.Random(n, n, 5), agtest.Random(1, n, 6)
	w.SetRequiresGrad(true)
	gain.SetRequiresGrad(true)
	graph := func(tape *ag.Tape, block func(func() ag.Tensor) ag.Tensor) ag.Tensor {
		y := ag.Tensor(agtest.Random(m, n, 7))
		for range blocks {
			y = block(func() ag.Tensor {
				return tape.Run(ag.NewLinear(tape.Run(ag.NewScaleCols(tape.Run(ag.NewLinear(y, w)), gain)), w))
			})
		}
		return tape.Run(ag.NewMeanSquare(y, make([]float32, m*n)))
	}
	plain, tape := ag.NewTape(), ag.NewTape()
	want := graph(plain, func(build func() ag.Tensor) ag.Tensor { return build() })
	got := graph(tape, tape.Block)
	// The first map of each block has the memory that the block before scaled into.
	if less := plain.Bytes() - tape.Bytes(); less != (blocks-1)*4*m*n {
		t.Errorf("blocks take %d bytes less, want %d", less, (blocks-1)*4*m*n)
	}
	for pass := range 3 {
		if pass == 2 { // the one before had no forward pass of its own
			plain.Replay()
			tape.Replay()
		}
		var gradients [2][]float32
		for i, g := range []struct {
			tape *ag.Tape
			loss ag.Tensor
		}{{plain, want}, {tape, got}} {
			w.ZeroGrad()
			gain.ZeroGrad()
			if err := g.tape.Backward(g.loss); err != nil {
				t.Fatal(err)
			}
			gradients[i] = slices.Concat(w.GradFloats(), gain.GradFloats())
		}
		if !slices.Equal(gradients[0], gradients[1]) {
			t.Errorf("pass %d: the gradient differs", pass)
		}
	}
}

// What is owned keeps its values while blocks behind it, and a watch, make others.
func TestOwn(t *testing.T) {
	const m, n, blocks = 4, 6, 4
	for _, light := range []bool{false, true} {
		w := agtest.Random(n, n, 3)
		w.SetRequiresGrad(true)
		tape := ag.NewTape()
		block := tape.Block
		if light {
			block = tape.Checkpoint
		}
		var kept []ag.Tensor
		var view ag.Tensor
		y := ag.Tensor(agtest.Random(m, n, 4))
		for i := range blocks {
			y = block(func() ag.Tensor {
				first := tape.Run(ag.NewLinear(y, w))
				first.Value().(*ag.Variable).Watch(func([]float32) {})
				second := tape.Run(ag.NewLinear(first, w))
				view = tape.Run(ag.NewReshape(first, n, m))
				if i > 0 {
					tape.Own(second)
					tape.Own(view)
					kept = append(kept, second, view)
				}
				return tape.Run(ag.NewAdd(first, second))
			})
			if i == 0 && light {
				if err := ag.Guard(func() { tape.Run(ag.NewScale(view, 2)) }); err == nil {
					t.Error("a view of what others write over is read outside of its block")
				}
			}
		}
		// The results, what is owned, and with checkpoints a first and a second that blocks
		// share, else a first of each: that of block 1 has what block 0 had for its second.
		want := blocks + len(kept) + blocks
		if light {
			want = blocks + len(kept) + 2
		}
		if got := tape.Bytes(); got != 4*m*n*want {
			t.Errorf("light %t: %d bytes, want %d", light, got, 4*m*n*want)
		}
		loss := tape.Run(ag.NewMeanSquare(y, make([]float32, m*n)))
		tape.Replay()
		var before [][]float32
		for _, x := range kept {
			before = append(before, slices.Clone(ag.Floats(x)))
		}
		if err := tape.Backward(loss); err != nil {
			t.Fatal(err)
		}
		for i, x := range kept {
			if !slices.Equal(ag.Floats(x), before[i]) {
				t.Errorf("light %t: output %d is not what it was", light, i)
			}
			if err := ag.Guard(func() { tape.Run(ag.NewScale(x, 2)) }); err != nil {
				t.Error(err)
			}
		}
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
	loss := tape.Run(ag.NewMeanSquare(y, make([]float32, m*n)))
	for pass := 1; pass < 3; pass++ {
		if err := tape.Backward(loss); err != nil {
			t.Fatal(err)
		}
		if first != [3]int{2 * pass, 2 * pass, pass} || last != [3]int{pass, pass, pass} {
			t.Errorf("pass %d: the maps ran %v and %v times", pass, first, last)
		}
		tape.Replay()
	}
}
