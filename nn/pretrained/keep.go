package pretrained

import (
	"fmt"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/nn"
)

// LoadKept is [Load], or [LoadWith] if h is not nil, of a model that is to take
// little memory: the weights of its linear maps are kept in the format d, rounded
// to it one tensor at a time from the mapped files, whose pages are given back
// behind it; embeddings, outputs, norms and biases stay as the files have them.
// QLoRA (arXiv 2305.14314) has such a base, in [kernels.NF4]. No weight is packed
// for good: every product decodes and packs what it reads, a few columns at a time.
func LoadKept(dir string, d kernels.Dtype, h *Head) (nn.Model, error) {
	config, f, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	if h != nil {
		if config, err = h.rewritten(dir, config, f); err != nil {
			return nil, err
		}
	}
	k := &keeper{loader: loader{head: h}, format: d}
	return load(dir, f, config, &k.loader, k)
}

// A keeper is a loader whose weights are kept in a format.
type keeper struct {
	loader
	format kernels.Dtype
	full   []float32 // of the tensor at hand
}

// Keep rounds a weight to the format.
func (k *keeper) Keep(name string, out, in int, values ag.Values) (ag.Values, error) {
	s := values.Stored
	switch {
	case s != nil && s.Format == k.format, s == nil && k.format == kernels.F32:
		return values, nil
	case k.format == kernels.F32:
		return ag.Values{Floats: values.All()}, nil
	}
	x := values.Floats
	if s != nil {
		if n := s.Len(); cap(k.full) < n {
			k.full = make([]float32, n)
		}
		x = k.full[:s.Len()]
		values.Decode(x, 0)
	}
	kept, err := kernels.Quantize(k.format, out, in, x)
	if err != nil {
		return values, fmt.Errorf("%s as %s: %w", name, k.format, err)
	}
	k.forget(k.stored(name))
	return ag.Values{Stored: kept}, nil
}
