// Package generate continues sequences of tokens with a model, one token a
// pass, over a cache of the keys and values of those before.
package generate

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

// Options say how the next token is chosen, and when to stop.
type Options struct {
	Tokens int     // the most new tokens
	Stop   []int32 // the ids after which to stop
	// Temperature divides the logits, from which the next token is then drawn;
	// 0 takes the largest. TopK keeps the K largest logits and TopP the largest
	// whose probabilities reach P together; 0 keeps all.
	Temperature float64
	TopK        int
	TopP        float64
	Seed        uint64 // of the draws: one seed is one continuation
}

// Check refuses numbers that cannot be.
func (o *Options) Check() error {
	switch {
	case o.Tokens < 1:
		return fmt.Errorf("generate: %d tokens: must be at least 1", o.Tokens)
	case !(o.Temperature >= 0 && o.Temperature <= 1e6):
		return fmt.Errorf("generate: temperature is %g: must be in 0..1e6", o.Temperature)
	case o.TopK < 0:
		return fmt.Errorf("generate: top-k is %d: must not be negative", o.TopK)
	case !(o.TopP >= 0 && o.TopP <= 1):
		return fmt.Errorf("generate: top-p is %g: must be in 0..1", o.TopP)
	}
	return nil
}

// An EncoderDecoder generates with its decoder, over what its encoder has made
// of the prompt.
type EncoderDecoder interface {
	nn.Model
	// Encode builds the encoder's last hidden states on c.
	Encode(c *nn.Context) ag.Tensor
	// Decode builds the logits of c's tokens over the encoder's states of
	// another context.
	Decode(c *nn.Context, encoded ag.Tensor, over *nn.Context) ag.Tensor
	// Start is the id that the decoder's sequence begins with.
	Start() int32
}

// Sequence returns the new tokens that follow the prompt, the one that it
// stopped after among them. Each is passed to emit, which may be nil, as soon
// as it is chosen; when emit returns false there are no more.
func Sequence(m nn.Model, prompt []int32, o Options, emit func(id int32) bool) ([]int32, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	next, first, err := decoder(m, prompt, o.Tokens)
	if err != nil {
		return nil, err
	}
	draw := &chooser{Options: o, rng: rand.New(rand.NewPCG(o.Seed, 0))}
	var out []int32
	for ids := first; len(out) < o.Tokens; {
		logits, err := next(ids)
		if err != nil {
			return out, err
		}
		id := draw.next(logits)
		out, ids = append(out, id), []int32{id}
		if emit != nil && !emit(id) || slices.Contains(o.Stop, id) {
			break
		}
	}
	return out, nil
}

// decoder returns the function that gives the logits after so many more tokens,
// and the tokens to begin with.
func decoder(m nn.Model, prompt []int32, tokens int) (next func(ids []int32) ([]float32, error), first []int32, err error) {
	if len(prompt) == 0 {
		return nil, nil, fmt.Errorf("generate: the prompt is empty")
	}
	if t5, ok := m.(EncoderDecoder); ok {
		c := &nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: len(prompt), IDs: prompt, Decoder: &nn.Context{Batch: 1, Tokens: 1, IDs: []int32{t5.Start()}}}
		if err := t5.Check(c); err != nil {
			return nil, nil, fmt.Errorf("generate: %w", err)
		}
		var encoded ag.Tensor
		if err := ag.Guard(func() { encoded = t5.Encode(c) }); err != nil {
			return nil, nil, err
		}
		forward := func(d *nn.Context) ag.Tensor { return t5.Decode(d, encoded, c) }
		return stepper(forward, 1+tokens), []int32{t5.Start()}, nil
	}
	if m.Task() != nn.NextToken {
		return nil, nil, fmt.Errorf("generate: the model's outputs are of the task %q: need %q", m.Task(), nn.NextToken)
	}
	return stepper(m.Forward, len(prompt)+tokens), prompt, nil
}

// stepper returns a function that runs a pass over further tokens and returns
// the logits of the last.
func stepper(forward func(c *nn.Context) ag.Tensor, most int) func(ids []int32) ([]float32, error) {
	cache := nn.NewCache(most)
	return func(ids []int32) (logits []float32, err error) {
		c := &nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: len(ids), IDs: ids, Cache: cache, Last: true}
		err = ag.Guard(func() {
			out := forward(c)
			rows, cols := ag.Dims(out)
			logits = ag.Floats(out)[(rows-1)*cols:]
		})
		cache.Next(len(ids))
		return logits, err
	}
}
