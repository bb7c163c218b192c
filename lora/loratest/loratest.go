// Package loratest holds the conformance suite of methods: what every
// composition of parts promises, checked on a small model. [Check] returns one
// error with all violations, so that anyone can run it on a method of their
// own: a test, a command, a plugin.
package loratest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/llama"
)

// Check adapts a small Llama by the method, at rank 1 and at a rank of several
// components, and returns an error for each promise that does not hold:
//
//   - the adapted model starts as the base model, or away from it where the
//     initializer says so;
//   - the merged model computes what the adapted one does, and unmerging and
//     removing give the base back bit for bit;
//   - the gradient of every trained factor is that of finite differences;
//   - three steps of the update rule move every trained factor, and nothing
//     else;
//   - W' − W0 has at most the stated rank, and the optimizer sees as many
//     values as are stated;
//   - a step that keeps no activations of the blocks is the same, bit for bit;
//   - files are read back to the same files and the same model, and a run
//     that is taken up from its state goes on bit for bit.
func Check(method lora.Method) error {
	var all []error
	for _, rank := range []int{1, 4} {
		s := &suite{method: method, rank: rank}
		for _, part := range []struct {
			name  string
			check func() error
		}{
			{"start", s.start}, {"merge", s.merge}, {"gradients", s.gradients}, {"steps", s.steps},
			{"size", s.size}, {"checkpoint", s.checkpoint}, {"files", s.files}, {"resume", s.resume},
		} {
			if err := part.check(); err != nil {
				all = append(all, fmt.Errorf("loratest: %s: rank %d: %s: %w", method.Name, rank, part.name, err))
			}
		}
	}
	return errors.Join(all...)
}

// A suite is one method at one rank.
type suite struct {
	method lora.Method
	rank   int
}

// alpha gives the scaling 2 at every rank, so that the factors' steps are alike.
func (s *suite) alpha() float64 { return 2 * float64(s.rank) }

// The shape of the model: two blocks, key and value maps that are wider than
// high, so that in and out differ everywhere.
var config = llama.Config{
	HiddenSize: 16, IntermediateSize: 24, NumHiddenLayers: 2, NumAttentionHeads: 2, NumKeyValueHeads: 1,
	HeadDim: 8, RMSNormEps: 1e-5, RopeTheta: 1e4, VocabSize: 11, MaxPositionEmbeddings: 8,
}

const (
	batch, tokens = 2, 5
	seed          = 1
)

// base returns the model before adaptation; all calls return equal models.
func base() *llama.Model {
	rng := rand.New(rand.NewPCG(seed, 0))
	m, err := llama.Build(config, nn.Floats(func(_ string, shape ...int) ([]float32, error) {
		n, std := shape[0], 0.3
		if len(shape) == 2 {
			n, std = n*shape[1], 1/math.Sqrt(float64(shape[1]))
		}
		w := make([]float32, n)
		for i := range w {
			w[i] = float32(std * rng.NormFloat64())
			if len(shape) == 1 {
				w[i]++
			}
		}
		return w, nil
	}))
	if err != nil {
		panic(err) // the configuration is a constant
	}
	return m
}

// A run is a graph of the model on the one batch.
type run struct {
	*nn.Context
	logits ag.Tensor
	task   ag.Tensor // the cross entropy
	loss   ag.Tensor // with what the parts add
}

func build(model nn.Model) (*run, error) { return buildWith(model, false) }

// buildWith is build with the blocks' activations kept, or computed again.
func buildWith(model nn.Model, checkpoint bool) (*run, error) {
	rng := rand.New(rand.NewPCG(seed, 1))
	draw := func() []int32 {
		ids := make([]int32, batch*tokens)
		for i := range ids {
			ids[i] = rng.Int32N(int32(config.VocabSize))
		}
		return ids
	}
	r := &run{Context: &nn.Context{Tape: ag.NewTape(), Batch: batch, Tokens: tokens, IDs: draw(), Checkpoint: checkpoint}}
	err := ag.Guard(func() {
		r.logits = model.Forward(r.Context)
		r.task = r.Run(ag.NewCrossEntropy(r.logits, draw()))
		weights, terms := []float32{1}, []ag.Tensor{r.task}
		for _, l := range r.Losses {
			weights, terms = append(weights, l.Weight), append(terms, l.Value)
		}
		r.loss = r.Run(ag.NewSum(weights, terms...))
	})
	return r, err
}

// logits returns what the model computes.
func logits(model nn.Model) ([]float32, error) {
	r, err := build(model)
	if err != nil {
		return nil, err
	}
	return ag.Floats(r.logits), nil
}

// inject adapts a new base model.
func (s *suite) inject() (*llama.Model, *lora.Set, error) {
	model := base()
	opt := lora.Options{Rank: s.rank, Alpha: s.alpha(), Seed: seed}
	var r *run
	pass := func(i int) (err error) {
		if i == 0 {
			if r, err = build(model); err != nil {
				return err
			}
		} else {
			r.Replay()
		}
		return r.Backward(r.loss)
	}
	if s.method.Needs(adapter.FullGradient) {
		g, err := s.method.Calibrate(model, nil, 2, pass)
		if err != nil {
			return nil, nil, err
		}
		opt.Gradient = g.Of
	}
	if s.method.Needs(adapter.Activations) || s.method.Needs(adapter.OutputGradients) {
		x, err := lora.CalibrateMoments(model, nil, 2, pass)
		if err != nil {
			return nil, nil, err
		}
		opt.Moments = x.Of
	}
	set, err := lora.Inject(model, s.method, opt)
	return model, set, err
}

// moved is inject, with every trained factor a little away from its start: no
// zeros and no symmetries are left.
func (s *suite) moved() (*llama.Model, *lora.Set, error) {
	model, set, err := s.inject()
	if err != nil {
		return nil, nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 2))
	for _, m := range set.Maps {
		for _, f := range m.Factors {
			if f.Trained {
				for i := range f.Floats() {
					f.Floats()[i] += float32(0.05 * rng.NormFloat64())
				}
			}
		}
	}
	return model, set, nil
}

// closeTo returns an error unless two models compute the same logits, up to a
// few thousand roundings of float32 in values around one.
func closeTo(got, want []float32) error {
	for i := range want {
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= 1e-4*(1+math.Abs(float64(want[i])))) {
			return fmt.Errorf("logit %d is %v, want %v: off by %.2g", i, got[i], want[i], d)
		}
	}
	return nil
}

// equal returns an error unless two lists are equal bit for bit.
func equal(what string, got, want []float32) error {
	if len(got) != len(want) {
		return fmt.Errorf("%s has %d values, want %d", what, len(got), len(want))
	}
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			return fmt.Errorf("%s[%d] is %v, want %v bit for bit", what, i, got[i], want[i])
		}
	}
	return nil
}

// untouched returns an error unless the model's own tensors are the base's.
func untouched(model *llama.Model) error {
	want := base().Params()
	for i, p := range model.Params() {
		if err := equal(p.Name, p.Floats(), want[i].Floats()); err != nil {
			return err
		}
	}
	return nil
}
