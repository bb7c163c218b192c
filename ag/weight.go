package ag

import (
	"sync"

	"github.com/lowrank/lowrank/kernels"
)

// A Weight is a frozen out×in matrix, the W0 of a linear map y = x·W0ᵀ. It is
// packed once for the forward product and once for the input gradient, at
// their first use; a [Half] is decoded while it is packed. It is no tensor: the
// graph never sees it. It may serve several tapes at once, but not while Set
// runs.
type Weight struct {
	Out, In int

	mu   sync.Mutex
	data []float32 // nil: a half that has not been asked for in whole
	half *Half
	fwd  *kernels.Packed // W0ᵀ: in×out
	bwd  *kernels.Packed // W0: out×in
}

// NewWeight returns a frozen out×in matrix over data, which it keeps.
func NewWeight(out, in int, data []float32) *Weight {
	return NewWeightOf(out, in, Values{Floats: data})
}

// NewWeightOf is NewWeight of values that may be a [Half].
func NewWeightOf(out, in int, values Values) *Weight {
	w := &Weight{Out: out, In: in}
	w.set("NewWeight", values)
	return w
}

func (w *Weight) set(op string, values Values) {
	if values.Len() != w.Out*w.In {
		fail(op, "%d values for a %d×%d matrix", values.Len(), w.Out, w.In)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.data, w.half, w.fwd, w.bwd = values.Floats, values.Half, nil, nil
}

// Floats returns the values, row by row, to be read only. Those of a [Half] are
// decoded when they are first asked for, and kept.
func (w *Weight) Floats() []float32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.data == nil && w.half != nil {
		w.data = make([]float32, len(w.half.Bits))
		w.half.decode(w.data, 0)
	}
	return w.data
}

// Set replaces the values by data, which it keeps, and drops the packing.
func (w *Weight) Set(data []float32) { w.set("Weight.Set", Values{Floats: data}) }

// Forward returns W0ᵀ packed.
func (w *Weight) Forward() *kernels.Packed {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fwd == nil {
		w.fwd = w.pack(kernels.NT, w.In, w.Out)
	}
	return w.fwd
}

// Backward returns W0 packed.
func (w *Weight) Backward() *kernels.Packed {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bwd == nil {
		w.bwd = w.pack(kernels.NN, w.Out, w.In)
	}
	return w.bwd
}

func (w *Weight) pack(op kernels.Op, k, n int) *kernels.Packed {
	if w.data == nil && w.half != nil {
		return w.half.pack(op, k, n, w.In)
	}
	return kernels.Pack(op, k, n, w.data, w.In)
}
