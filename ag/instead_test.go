package ag_test

import (
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
	"github.com/lowrank/lowrank/kernels"
)

// Tapes that stand in for each other compute, in any order of their turns, what they
// compute alone, and take the memory of the largest shape: with blocks, checkpoints
// and a loss in tiles.
func TestInstead(t *testing.T) {
	const n = 16
	kernels.SetThreads(1) // of two each has buffers of its own, sooner or later
	defer kernels.SetThreads(0)
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // the runtime allocates too, when a collection begins
	a, b := agtest.Random(2, n, 2), agtest.Random(n, 2, 3)
	w := ag.NewWeight(n, n, agtest.Random(n, n, 1).Floats())
	head := func(classes int) *ag.Weight {
		return ag.NewWeight(classes, n, agtest.Random(classes, n, 4).Floats())
	}
	heads := map[bool]*ag.Weight{true: head(40), false: head(8192)} // whose logits come in tiles of 128 rows
	// run builds a graph on so many rows and returns what runs it on its next batch.
	run := func(tape *ag.Tape, light bool, rows int) func() []float32 {
		block := tape.Block
		if light {
			block = tape.Checkpoint
		}
		from := frozen(agtest.Random(rows, n, uint64(rows)))
		x := ag.Tensor(from)
		for range 3 {
			x = block(func() ag.Tensor {
				y := tape.Run(ag.NewLowRankLinear(x, w, a, b, 0.5, nil))
				tape.Own(tape.Run(ag.NewReshape(y, n, rows)))
				return tape.Run(ag.NewAdd(x, tape.Run(ag.NewSwiGLU(tape.Run(ag.NewTanh(y)), tape.Run(ag.NewGELU(y))))))
			})
		}
		loss := tape.Run(ag.NewCrossEntropy(tape.Run(ag.NewFrozenLinear(x, heads[light])), make([]int32, rows)))
		return func() []float32 {
			a.ZeroGrad()
			b.ZeroGrad()
			from.Floats()[0]++
			tape.Replay()
			if err := tape.Backward(loss); err != nil {
				t.Fatal(err)
			}
			return slices.Concat(ag.Floats(loss), a.GradFloats(), b.GradFloats())
		}
	}
	for _, light := range []bool{false, true} {
		first := ag.NewTape()
		tapes := []*ag.Tape{first}
		rows := []int{260, 200, 129} // more than one tile
		var alone, turns []func() []float32
		for i, m := range rows {
			tape := first
			if i > 0 {
				tape = tapes[i-1].Instead()
				tapes = append(tapes, tape)
			}
			alone, turns = append(alone, run(ag.NewTape(), light, m)), append(turns, run(tape, light, m))
			if i == 0 {
				if !slices.Equal(turns[0](), alone[0]()) {
					t.Fatal("one tape differs from another")
				}
			}
		}
		held := ag.Slabs(first)
		m, least := rows[2], uint64(math.MaxUint64)
		for range 3 { // the runtime allocates too, now and then
			turn := run(first.Instead(), light, m) // whose gradients have no memory yet
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			turn()
			runtime.ReadMemStats(&after)
			least = min(least, after.TotalAlloc-before.TotalAlloc)
		}
		if least > 4*uint64(m*n) { // one output
			t.Errorf("light %t: the first pass backward of %d rows allocates %d bytes", light, m, least)
		}
		for _, i := range []int{1, 2, 0, 2, 0} {
			if got, want := turns[i](), alone[i](); !slices.Equal(got, want) {
				t.Errorf("light %t: %d rows: loss %v, want %v, or gradients differ", light, rows[i], got[0], want[0])
			}
		}
		for _, tape := range tapes {
			if bytes := ag.Slabs(tape); bytes != held {
				t.Errorf("light %t: in turns they take %d bytes, the largest %d", light, bytes, held)
			}
		}
		if bytes := first.Bytes(); held > bytes {
			t.Errorf("light %t: they take %d bytes, the largest alone %d", light, held, bytes)
		}
		allocations := math.Inf(1)
		for range 3 {
			allocations = min(allocations, testing.AllocsPerRun(1, func() { turns[1](); turns[2]() }))
		}
		if allocations > 4 { // the copies of two gradients
			t.Errorf("light %t: %v allocations a step", light, allocations)
		}
	}
}
