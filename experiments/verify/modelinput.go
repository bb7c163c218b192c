package verify

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// inputs are what a model was given, by transformers' names.
type inputs map[string]input

// An input is a tensor of whole numbers or of others.
type input struct {
	shape  []int
	ints   []int64
	floats []float32
}

// readInputs reads a file of inputs.
func readInputs(path string) (inputs, error) {
	file, err := pretrained.ReadSafetensors(path)
	if err != nil {
		return nil, err
	}
	in := inputs{}
	for _, name := range file.Names() {
		if !slices.Contains(inputNames, name) {
			return nil, fmt.Errorf("%s: input %s: %w", filepath.Base(path), name, errors.ErrUnsupported)
		}
		var x input
		x.shape, _ = file.Shape(name)
		if x.ints, err = file.Ints(name); err != nil {
			t, err := file.Tensor(name)
			if err != nil {
				return nil, err
			}
			x.floats = slices.Clone(t.Data)
		}
		in[name] = x
	}
	return in, file.Close()
}

var inputNames = []string{
	"input_ids", "attention_mask", "token_type_ids", "labels", "pixel_values",
	"decoder_input_ids", "decoder_attention_mask",
	"dout", // of the mean of outputs∘dout, which is the loss where a model has none
}

// stacked returns how many batches stand on the first dimension.
func (in inputs) stacked() (int, error) {
	n := -1
	for _, name := range slices.Sorted(maps.Keys(in)) {
		switch shape := in[name].shape; {
		case len(shape) < 2:
			return 0, fmt.Errorf("%s is %v: must have a dimension for the batches", name, shape)
		case n >= 0 && shape[0] != n:
			return 0, fmt.Errorf("%s has %d batches, others %d", name, shape[0], n)
		default:
			n = shape[0]
		}
	}
	if n < 1 {
		return 0, fmt.Errorf("there are no batches")
	}
	return n, nil
}

// batch returns batch i of those that are stacked.
func (in inputs) batch(i int) inputs {
	one := inputs{}
	for name, x := range in {
		y := input{shape: x.shape[1:]}
		n := 1
		for _, d := range y.shape {
			n *= d
		}
		if x.ints != nil {
			y.ints = x.ints[i*n : (i+1)*n]
		} else {
			y.floats = x.floats[i*n : (i+1)*n]
		}
		one[name] = y
	}
	return one
}

// context returns the context of a model's forward pass.
func (in inputs) context(m nn.Model) (*nn.Context, error) {
	c := &nn.Context{Tape: ag.NewTape()}
	if x, ok := in["pixel_values"]; ok {
		c.Batch = x.shape[0]
		c.Pixels = ag.NewVariable(c.Batch, len(x.floats)/c.Batch, x.floats)
		return c, nil
	}
	if err := in.tokens(c, "input_ids", "attention_mask"); err != nil {
		return nil, err
	}
	c.Types = in["token_type_ids"].int32s()
	if x, ok := m.(interface {
		ShiftRight(labels []int32, tokens int) []int32
	}); ok && m.Task() == nn.Token {
		c.Decoder = &nn.Context{}
		if _, ok := in["decoder_input_ids"]; ok {
			return c, in.tokens(c.Decoder, "decoder_input_ids", "decoder_attention_mask")
		}
		err := in.tokens(c.Decoder, "labels", "decoder_attention_mask")
		if err == nil {
			c.Decoder.IDs = x.ShiftRight(c.Decoder.IDs, c.Decoder.Tokens)
		}
		return c, err
	}
	return c, nil
}

// tokens fills in the ids of a tensor and the padding of its mask.
func (in inputs) tokens(c *nn.Context, ids, mask string) (err error) {
	x, ok := in[ids]
	if !ok || len(x.shape) != 2 || x.ints == nil {
		return fmt.Errorf("inputs: %s is %v: must be whole numbers, batch×tokens", ids, x.shape)
	}
	c.Batch, c.Tokens, c.IDs = x.shape[0], x.shape[1], x.int32s()
	if m, ok := in[mask]; ok {
		if c.First, c.End, err = nn.Padding(m.ints, c.Batch, c.Tokens); err != nil {
			return fmt.Errorf("inputs: %s: %w: %w", mask, err, errors.ErrUnsupported)
		}
	}
	return nil
}

// labels returns what the loss of the task compares the outputs with, and
// whether there is anything.
func (in inputs) labels(c *nn.Context, task nn.Task) (nn.Labels, bool) {
	x, ok := in["labels"]
	classes, values := x.int32s(), x.floats
	switch task {
	case nn.NextToken:
		classes = nn.Shift(classes, c.Tokens)
	case nn.Regression, nn.MultiLabel:
		for _, n := range x.ints {
			values = append(values, float32(n))
		}
	}
	if values != nil {
		return nn.Labels{Values: values}, ok
	}
	return nn.Labels{Classes: classes}, ok
}

func (x input) int32s() []int32 {
	if x.ints == nil {
		return nil
	}
	v := make([]int32, len(x.ints))
	for i, n := range x.ints {
		v[i] = int32(n)
	}
	return v
}
