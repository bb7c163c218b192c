package nntest

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/nn/pretrained"
)

// A File is a recorded file of tensors. What it has not ends the test that asks.
type File struct{ *pretrained.Safetensors }

// Open reads one.
func Open(t *testing.T, path string) File {
	t.Helper()
	s, err := pretrained.ReadSafetensors(path)
	if err != nil {
		t.Fatal(err)
	}
	return File{s}
}

// Config reads a model's configuration.
func Config(t *testing.T, path string, cfg json.Unmarshaler) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Has reports whether there is such a tensor.
func (f File) Has(name string) bool {
	_, ok := f.Shape(name)
	return ok
}

// Floats returns the values of a tensor, to be read only.
func (f File) Floats(t *testing.T, name string) []float32 {
	t.Helper()
	x, err := f.Tensor(name)
	if err != nil {
		t.Fatal(err)
	}
	return x.Data
}

// Int64s returns those of one of integers, and Int32s the same in fewer bits.
func (f File) Int64s(t *testing.T, name string) []int64 {
	t.Helper()
	v, err := f.Ints(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (f File) Int32s(t *testing.T, name string) (v []int32) {
	t.Helper()
	for _, x := range f.Int64s(t, name) {
		v = append(v, int32(x))
	}
	return v
}

// Near holds values against the recorded ones, as [Near] does. Of the gradients of a
// large model every seventh is recorded.
func (f File) Near(t *testing.T, name string, got []float32, abs, rel float64) {
	t.Helper()
	want := f.Floats(t, name)
	if len(got) > len(want) {
		var some []float32
		for i := 0; i < len(got); i += 7 {
			some = append(some, got[i])
		}
		got = some
	}
	Near(t, name, got, want, abs, rel)
}

// Copy gives copies of the tensors to a model that is built, as [nn.Floats].
func (f File) Copy(name string, shape ...int) ([]float32, error) {
	if have, ok := f.Shape(name); !ok || !slices.Equal(have, shape) {
		return nil, fmt.Errorf("%s is %v, asked for as %v", name, have, shape)
	}
	x, err := f.Tensor(name)
	return slices.Clone(x.Data), err
}
