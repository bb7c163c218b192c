package step

import (
	"runtime"
	"strconv"
	"testing"

	"github.com/lowrank/lowrank/bench/machine"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// started returns a training that has made its first step, which allocates.
func started(tb testing.TB, s Shape, method string) *Training {
	tb.Helper()
	t, err := New(s, method, 1)
	if err != nil {
		tb.Fatal(err)
	}
	once(tb, t)
	return t
}

func once(tb testing.TB, t *Training) {
	tb.Helper()
	if _, err := t.Step(); err != nil {
		tb.Fatal(err)
	}
}

// TestAllocations: a step after the first allocates nothing. On several threads
// now and then the runtime does, for a goroutine that waits, or a buffer of the
// kernels grows, when another thread takes the largest job than before: a step
// without any must come soon.
func TestAllocations(t *testing.T) {
	for _, method := range []string{Everything, "full", "lora", "dora", "lora-moe"} {
		for _, threads := range []int{1, 2} {
			t.Run(method+"/threads="+strconv.Itoa(threads), func(t *testing.T) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
				training := started(t, Study, method)
				least := ^uint64(0)
				for i := 0; i < 5 && least > 0; i++ {
					least = min(least, Mallocs(func() { once(t, training) }))
				}
				if least != 0 {
					t.Errorf("a step makes %d allocations, want none", least)
				}
			})
		}
	}
}

// TestPruning: the steps that are timed are those that prune.
func TestPruning(t *testing.T) {
	training := started(t, Study, "adalora")
	training.SkipTo(Pruning)
	before := 0
	for _, r := range training.plan.Ranks() {
		before += r
	}
	once(t, training)
	after := 0
	for _, r := range training.plan.Ranks() {
		after += r
	}
	if training.step != Pruning || after >= before {
		t.Errorf("step %d leaves ranks of %d together, %d before it", training.step, after, before)
	}
}

// BenchmarkStep is a step of training: forward, backward, clip and update.
func BenchmarkStep(b *testing.B) {
	for _, s := range Shapes {
		for _, method := range []string{"lora", "dora", "full", "lora-moe"} {
			if s.Name != Study.Name && (method == "full" || method == "lora-moe") || method != "lora" && (s.Masked > 0 || s.Prompt > 0) {
				continue
			}
			for _, threads := range threadCounts() {
				b.Run("model="+s.Name+"/method="+method+"/threads="+strconv.Itoa(threads), func(b *testing.B) {
					kernels.SetThreads(threads)
					defer kernels.SetThreads(0)
					t := started(b, s, method)
					b.ReportAllocs()
					for b.Loop() {
						once(b, t)
					}
					b.ReportMetric(float64(s.Batch*s.Tokens)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
					b.ReportMetric(float64(t.Memory().Activations)/1e6, "tape-MB")
					if method == "lora-moe" {
						return // whose routers Flops does not count
					}
					rate := t.Flops() * float64(b.N) / b.Elapsed().Seconds()
					b.ReportMetric(rate/1e9, "GFLOP/s")
					b.ReportMetric(100*rate/peak(threads), "%peak")
				})
			}
		}
	}
}

// peak is the best of many, since the machine may do other work.
func peak(threads int) float64 {
	best := 0.0
	for range 50 {
		best = max(best, machine.FMA(threads))
	}
	return best
}

// threadCounts are one and, where there are more, all.
func threadCounts() []int {
	if n := runtime.NumCPU(); n > 1 {
		return []int{1, n}
	}
	return []int{1}
}

// TestWriteRandom: a written model is read back, in a format, and trains within
// what its memory is said to be.
func TestWriteRandom(t *testing.T) {
	dir := t.TempDir()
	deep := Study // a block more is with checkpoints a result more, else some ten outputs
	deep.Layers = 8
	s := deep
	s.KVHeads, s.Rank, s.Checkpoint = 2, 4, true
	if err := WriteRandom(dir, s, 1); err != nil {
		t.Fatal(err)
	}
	model, err := pretrained.LoadKept(dir, kernels.NF4, nil)
	if err != nil {
		t.Fatal(err)
	}
	training, err := Of(s, model, "lora", 1)
	if err != nil {
		t.Fatal(err)
	}
	var losses []float32
	for range 3 {
		loss, err := training.Step()
		if err != nil {
			t.Fatal(err)
		}
		losses = append(losses, loss)
	}
	if !(losses[0] > losses[2]) || losses[0] < 5 || losses[0] > 6 { // ln 256 is 5.55
		t.Errorf("losses %v", losses)
	}
	plain := started(t, deep, "lora")
	if m, p := training.Memory(), plain.Memory(); 3*m.Base > p.Base || 5*m.Activations > 2*p.Activations {
		t.Errorf("%+v, and of the plain one %+v", m, p)
	}
	if err := WriteRandom(dir, Encoder, 1); err == nil {
		t.Error("an encoder is written")
	}
}
