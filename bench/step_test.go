package bench

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/llama"
	"github.com/lowrank/lowrank/nn/optim"
)

// small is the model of the default study, and a batch of it.
var small = llama.Config{
	HiddenSize: 128, IntermediateSize: 344, NumHiddenLayers: 4, NumAttentionHeads: 4, NumKeyValueHeads: 2, HeadDim: 32,
	RMSNormEps: 1e-5, RopeTheta: 10000, VocabSize: 256, MaxPositionEmbeddings: 512, TieWordEmbeddings: true,
}

const batch, tokens = 8, 64

// everything stands beside the names of methods: all tensors of the model are
// trained, with no adapter.
const everything = "everything"

// A training is a model on random bytes, and what trains it.
type training struct {
	tape *ag.Tape
	loss ag.Tensor
	opt  *optim.Optimizer
}

func newTraining(tb testing.TB, method string) *training {
	tb.Helper()
	model, err := llama.New(small, 1)
	if err != nil {
		tb.Fatal(err)
	}
	var groups []*optim.Group
	transform := optim.Transform(optim.AdamW(0.01))
	if method == everything {
		model.SetTrained(true)
		for _, p := range model.Params() {
			groups = append(groups, &optim.Group{Name: p.Name, Scaling: 1, Params: []*optim.Param{{Name: p.Name, Value: p.Variable}}})
		}
	} else {
		m, err := lora.Row(method)
		if err != nil {
			tb.Fatal(err)
		}
		set, err := lora.Inject(model, m, lora.Options{Rank: 8, Alpha: 8, Seed: 1})
		if err != nil {
			tb.Fatal(err)
		}
		groups, transform = set.Groups(), m.Update.Transform(0.01)
	}

	rng := rand.New(rand.NewPCG(1, 0))
	ids, targets := make([]int32, batch*tokens), make([]int32, batch*tokens)
	for i := range ids {
		ids[i], targets[i] = rng.Int32N(256), rng.Int32N(256)
	}
	t := &training{tape: ag.NewTape(), opt: optim.New(transform, groups)}
	c := &nn.Context{Tape: t.tape, Batch: batch, Tokens: tokens, IDs: ids}
	losses, weights := []ag.Tensor{t.tape.Run(ag.NewCrossEntropy(model.Forward(c), targets))}, []float32{1}
	for _, l := range c.Losses {
		losses, weights = append(losses, l.Value), append(weights, l.Weight)
	}
	t.loss = t.tape.Run(ag.NewSum(weights, losses...))
	return t
}

func (t *training) step(tb testing.TB) {
	t.tape.Replay()
	if err := t.tape.Backward(t.loss); err != nil {
		tb.Fatal(err)
	}
	optim.ClipNorm(t.opt.Groups(), 1)
	t.opt.Step(1e-4)
	t.opt.ZeroGrad()
}

// TestStepAllocations: a step after the first allocates nothing. On several
// threads now and then the runtime does, for a goroutine that waits, or a buffer
// of the kernels grows, when another thread takes the largest job than before: a
// step without any must come soon.
func TestStepAllocations(t *testing.T) {
	for _, method := range []string{everything, "full", "lora", "dora", "lora-moe"} {
		for _, threads := range []int{1, 2} {
			t.Run(method+"/threads="+itoa(threads), func(t *testing.T) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
				training := newTraining(t, method)
				training.step(t)
				least := ^uint64(0)
				var before, after runtime.MemStats
				for i := 0; i < 5 && least > 0; i++ {
					runtime.ReadMemStats(&before)
					training.step(t)
					runtime.ReadMemStats(&after)
					least = min(least, after.Mallocs-before.Mallocs)
				}
				if least != 0 {
					t.Errorf("a step makes %d allocations, want none", least)
				}
			})
		}
	}
}

// BenchmarkStep is a step of training on 8×64 tokens: forward, backward, clip
// and AdamW.
func BenchmarkStep(b *testing.B) {
	for _, method := range []string{"full", "lora", "dora", "lora-moe"} {
		for _, threads := range threadCounts() {
			b.Run("method="+method+"/threads="+itoa(threads), func(b *testing.B) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
				t := newTraining(b, method)
				t.step(b)
				b.ReportAllocs()
				for b.Loop() {
					t.step(b)
				}
				b.ReportMetric(float64(batch*tokens)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
				b.ReportMetric(float64(t.tape.Bytes())/1e6, "tape-MB")
			})
		}
	}
}

// threadCounts are one and, where there are more, all.
func threadCounts() []int {
	if n := runtime.NumCPU(); n > 1 {
		return []int{1, n}
	}
	return []int{1}
}
