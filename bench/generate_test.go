package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/lowrank/lowrank/bench/machine"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/nn/generate"
	"github.com/lowrank/lowrank/nn/llama"
)

// wide is four of the 22 layers of a Llama of 1.1 billion parameters: what a
// token reads is beyond every cache, and a layer's share of it is that of all.
var wide = llama.Config{
	HiddenSize: 2048, IntermediateSize: 5632, NumHiddenLayers: 4, NumAttentionHeads: 32, NumKeyValueHeads: 4, HeadDim: 64,
	RMSNormEps: 1e-5, RopeTheta: 10000, VocabSize: 32000, MaxPositionEmbeddings: 2048,
}

// BenchmarkGenerate is one token of a sequence with a cache. A token reads every
// weight once, so that the bandwidth of the machine bounds it: %bandwidth is its
// share of what a loop that only reads reaches, measured just before.
func BenchmarkGenerate(b *testing.B) {
	model, err := llama.New(wide, 1)
	if err != nil {
		b.Fatal(err)
	}
	read := 4 * (wide.NumParameters() - int64(wide.VocabSize*wide.HiddenSize)) // a row of the table is nothing
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			kernels.SetThreads(threads)
			defer kernels.SetThreads(0)
			bandwidth := machine.Read(machine.Beyond(), threads)
			const prompt = 8
			var took time.Duration
			n, last := 0, time.Now()
			o := generate.Options{Tokens: b.N + 2}
			_, err := generate.Sequence(model, make([]int32, prompt), o, func(int32) bool {
				now := time.Now()
				if n++; n > 2 { // the prompt, and the first token behind it
					took += now.Sub(last)
				}
				last = now
				return true
			})
			if err != nil {
				b.Fatal(err)
			}
			seconds := took.Seconds() / float64(b.N)
			b.ReportMetric(seconds*1e9, "ns/op")
			b.ReportMetric(float64(read)/seconds/1e9, "GB/s")
			b.ReportMetric(100*float64(read)/seconds/bandwidth, "%bandwidth")
		})
	}
}
