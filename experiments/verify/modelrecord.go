package verify

import (
	"errors"
	"strings"

	"github.com/lowrank/lowrank/nn/pretrained"
)

// A record is a file of recorded tensors that knows which of them nothing has
// been compared with.
type record struct {
	*pretrained.Safetensors
	left map[string]bool
}

func openRecord(path string) (*record, error) {
	s, err := pretrained.ReadSafetensors(path)
	if err != nil {
		return nil, err
	}
	f := &record{Safetensors: s, left: map[string]bool{}}
	for _, name := range s.Names() {
		f.left[name] = true
	}
	return f, nil
}

// has reports whether there is such a tensor.
func (f *record) has(name string) bool {
	_, ok := f.Shape(name)
	return ok
}

// take returns the values of a tensor, which count as compared.
func (f *record) take(name string) ([]float32, error) {
	delete(f.left, name)
	t, err := f.Tensor(name)
	return t.Data, err
}

// skip makes those whose name begins with prefix count as compared.
func (f *record) skip(prefix string) {
	for name := range f.left {
		if strings.HasPrefix(name, prefix) {
			delete(f.left, name)
		}
	}
}

// near compares got with the tensor of that name.
func (f *record) near(r *rows, name string, got []float32) {
	want, err := f.take(name)
	if err != nil {
		r.fail(name, err)
		return
	}
	r.near(name, got, want, Values)
}

// rest fails for each tensor that nothing was compared with.
func (f *record) rest(r *rows) {
	for _, name := range f.Names() {
		if f.left[name] {
			r.fail(name, errors.New("it is recorded, but nothing here corresponds to it"))
		}
	}
}
