package nn

import "github.com/lowrank/lowrank/ag"

// A Source gives the values of the tensor with a checkpoint name and a shape,
// row by row; the model keeps them.
type Source interface {
	Tensor(name string, shape ...int) (ag.Values, error)
}

// A Lister is a source that knows which tensors it has. Others have what the
// configuration says.
type Lister interface {
	Source
	Has(name string) bool
}

// A Keeper is a source whose model keeps the weights of its linear maps, but not
// those of embeddings, convolutions and outputs, in a format of the source's
// choice, and packs no weight for good: see [ag.NewStreamedWeight].
type Keeper interface {
	Source
	// Keep returns the values of a weight in the format; they are those that Tensor
	// gave for the name, out×in.
	Keep(name string, out, in int, values ag.Values) (ag.Values, error)
}

// Floats is a function that is a [Source] of float32.
type Floats func(name string, shape ...int) ([]float32, error)

// Tensor returns what the function does.
func (f Floats) Tensor(name string, shape ...int) (ag.Values, error) {
	x, err := f(name, shape...)
	return ag.Values{Floats: x}, err
}
