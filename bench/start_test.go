package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/llama"
)

// BenchmarkStart adapts one block of a Llama that is 2048 wide, as 22 of TinyLlama
// are, at rank 8. s/block is what the start takes besides calibration; ×passes is
// the whole, calibration and start, over the bare passes through the model: forward
// for activations, and backward too for gradients.
func BenchmarkStart(b *testing.B) {
	for _, name := range []string{"pissa", "olora", "lora-ga", "lora-one", "eva", "gora", "loftq", "milora", "mica", "corda-ipm", "corda-kpm", "lora-null"} {
		b.Run(name, func(b *testing.B) {
			method, err := lora.Row(name)
			if err != nil {
				b.Fatal(err)
			}
			model := block(b)
			passes(b, model, method.Needs(adapter.FullGradient), nil) // packs the weights
			var start float64
			var over []float64 // the bare passes, in turn
			for b.Loop() {
				bare := passes(b, model, method.Needs(adapter.FullGradient), nil)
				began := time.Now()
				opt := lora.Options{Rank: 8, Alpha: 8, Targets: lora.Targets{"all-linear"}}
				if method.Needs(adapter.FullGradient) {
					passes(b, model, true, func(pass func(int) error) error {
						g, err := method.Calibrate(model, opt.Targets, batches, pass)
						opt.Gradient = g.Of
						return err
					})
				}
				if method.Needs(adapter.Activations) {
					passes(b, model, false, func(pass func(int) error) error {
						calibrate := lora.CalibrateMoments
						if k := method.Components(opt.Rank); k > 0 {
							calibrate = func(model nn.Model, targets lora.Targets, batches int, pass func(int) error) (lora.Moments, error) {
								return lora.CalibrateComponents(model, targets, k, batches, pass)
							}
						}
						x, err := calibrate(model, opt.Targets, batches, pass)
						opt.Moments = x.Of
						return err
					})
				}
				calibrated := time.Now()
				set, err := lora.Inject(model, method, opt)
				if err != nil {
					b.Fatal(err)
				}
				start = time.Since(calibrated).Seconds()
				over = append(over, time.Since(began).Seconds()/bare)
				set.Remove()
			}
			b.ReportMetric(start, "s/block")
			if method.Needs(adapter.FullGradient) || method.Needs(adapter.Activations) {
				slices.Sort(over)
				b.ReportMetric(over[len(over)/2], "×passes")
			}
		})
	}
}

const batches, tokens = 8, 512

// block is a model of one block, with random weights whose spectra fall.
func block(b *testing.B) *llama.Model {
	b.Helper()
	config := llama.Config{
		HiddenSize: 2048, IntermediateSize: 5632, NumHiddenLayers: 1, NumAttentionHeads: 32, NumKeyValueHeads: 4,
		HeadDim: 64, RMSNormEps: 1e-5, RopeTheta: 1e4, VocabSize: 256, MaxPositionEmbeddings: tokens,
	}
	rng := rand.New(rand.NewPCG(1, 2))
	m, err := llama.Build(config, nn.Floats(func(_ string, shape ...int) ([]float32, error) {
		n, wide := shape[0], 1
		if len(shape) == 2 {
			n, wide = shape[0]*shape[1], shape[1]
		}
		w := make([]float32, n)
		for i := range w {
			if w[i] = 1; wide > 1 {
				w[i] = float32(rng.NormFloat64() / math.Sqrt(float64(wide)) * math.Pow(1+float64(i%wide), -0.2))
			}
		}
		return w, nil
	}))
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// passes runs the batches through the model, under the calibration where there is
// one, and returns the seconds.
func passes(b *testing.B, model *llama.Model, backward bool, under func(pass func(int) error) error) float64 {
	b.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	ids := make([]int32, tokens)
	for i := range ids {
		ids[i] = rng.Int32N(256)
	}
	c := &nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: tokens, IDs: ids}
	var loss ag.Tensor
	pass := func(i int) error {
		if i == 0 {
			if err := ag.Guard(func() { loss = c.Run(ag.NewCrossEntropy(model.Forward(c), ids)) }); err != nil {
				return err
			}
		} else {
			c.Replay()
		}
		if backward {
			return c.Backward(loss)
		}
		return nil
	}
	start := time.Now()
	if under == nil {
		for _, l := range model.Linears() {
			l.W.SetRequiresGrad(backward)
			defer l.W.SetRequiresGrad(false)
			defer l.W.ZeroGrad()
		}
		under = func(pass func(int) error) error {
			for i := range batches {
				if err := pass(i); err != nil {
					return err
				}
			}
			return nil
		}
	}
	if err := under(pass); err != nil {
		b.Fatal(err)
	}
	return time.Since(start).Seconds()
}
