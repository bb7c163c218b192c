package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// A batch makes one and the same random inputs whenever it is called.
type batch func() *nn.Context

// probeOf returns a batch that fits the model of a folder: two sequences of as
// many tokens as the model takes, 16 at most, for the encoder and for the
// decoder if there is one; or two images of noise.
func probeOf(model nn.Model, dir string) (batch, error) {
	table := slices.IndexFunc(model.Linears(), func(l *nn.Linear) bool { return l.Kind == nn.Table })
	first := slices.IndexFunc(model.Linears(), func(l *nn.Linear) bool { return l.Kind == nn.Convolution })
	var tries []batch
	if first >= 0 {
		n, err := pixels(dir)
		if err != nil {
			return nil, err
		}
		tries = append(tries, func() *nn.Context { return noise(2, n) })
	} else if table >= 0 {
		vocabulary := model.Linears()[table].In
		for n := 16; n > 0; n /= 2 {
			tries = append(tries,
				func() *nn.Context { return tokens(2, n, vocabulary, 1) },
				func() *nn.Context {
					c := tokens(2, n, vocabulary, 1)
					c.Decoder = tokens(2, n, vocabulary, 2)
					c.Decoder.Tape = nil // the encoder's
					return c
				})
		}
	}
	err := errors.New("it has no embeddings")
	for _, b := range tries {
		if err = model.Check(b()); err == nil {
			return b, nil
		}
	}
	return nil, fmt.Errorf("%s: no batch to compare outputs with: %w", dir, err)
}

// tokens draws sequences of token ids.
func tokens(sequences, n, vocabulary int, seed uint64) *nn.Context {
	rng := rand.New(rand.NewPCG(seed, 0))
	c := &nn.Context{Tape: ag.NewTape(), Batch: sequences, Tokens: n, IDs: make([]int32, sequences*n)}
	for i := range c.IDs {
		c.IDs[i] = rng.Int32N(int32(vocabulary))
	}
	return c
}

// noise draws images of so many values.
func noise(images, n int) *nn.Context {
	rng := rand.New(rand.NewPCG(1, 0))
	c := &nn.Context{Tape: ag.NewTape(), Batch: images, Pixels: ag.NewVariable(images, n, nil)}
	for i := range c.Pixels.Floats() {
		c.Pixels.Floats()[i] = float32(rng.NormFloat64())
	}
	return c
}

// pixels returns how many values an image of the model in a folder has, by the
// names and the defaults that transformers has for vision models.
func pixels(dir string) (int, error) {
	size := struct {
		Image    int `json:"image_size"`
		Channels int `json:"num_channels"`
	}{224, 3}
	path := filepath.Join(dir, pretrained.ConfigFile)
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &size)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return size.Channels * size.Image * size.Image, nil
}

// outputs returns what the model makes of a batch.
func outputs(model nn.Model, inputs batch) (y []float32, err error) {
	guarded := ag.Guard(func() { y = slices.Clone(ag.Floats(model.Forward(inputs()))) })
	return y, guarded
}

// A difference is how far outputs are from others of up to a size.
type difference struct{ most, mean, size float64 }

func compare(want, got []float32) difference {
	var d difference
	for i, w := range want {
		e := math.Abs(float64(got[i]) - float64(w))
		d.most = max(d.most, e) // NaN if one is
		d.mean += e / float64(len(want))
		d.size = max(d.size, math.Abs(float64(w)))
	}
	return d
}

// within is an error unless the difference is within a tolerance relative to
// the size.
func (d difference) within(tolerance float64) error {
	if d.most <= tolerance*d.size {
		return nil
	}
	return fmt.Errorf("outputs up to %.4g differ by up to %.2g: must be at most %.2g (--tolerance %g)", d.size, d.most, tolerance*d.size, tolerance)
}

// readBack compares the outputs of the model in a folder.
func readBack(dir string, inputs batch, want []float32, tolerance float64) error {
	model, err := pretrained.Load(dir)
	if err != nil {
		return err
	}
	got, err := outputs(model, inputs)
	if err != nil {
		return err
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d outputs: must be %d", len(got), len(want))
	}
	return compare(want, got).within(tolerance)
}
