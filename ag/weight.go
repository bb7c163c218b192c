package ag

import (
	"sync"

	"github.com/lowrank/lowrank/kernels"
)

// A Weight is a frozen out×in matrix, the W0 of a linear map y = x·W0ᵀ. It is
// packed once for the forward product and once for the input gradient, at
// their first use. It is no tensor: the graph never sees it. It may serve
// several tapes at once, but not while Set runs.
type Weight struct {
	Out, In int
	data    []float32

	mu  sync.Mutex
	fwd *kernels.Packed // W0ᵀ: in×out
	bwd *kernels.Packed // W0: out×in
}

// NewWeight returns a frozen out×in matrix over data, which it keeps.
func NewWeight(out, in int, data []float32) *Weight {
	if len(data) != out*in {
		fail("NewWeight", "%d values for a %d×%d matrix", len(data), out, in)
	}
	return &Weight{Out: out, In: in, data: data}
}

// Floats returns the values, row by row, to be read only.
func (w *Weight) Floats() []float32 { return w.data }

// Set replaces the values by data, which it keeps, and drops the packing.
func (w *Weight) Set(data []float32) {
	if len(data) != w.Out*w.In {
		fail("Weight.Set", "%d values for a %d×%d matrix", len(data), w.Out, w.In)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.data, w.fwd, w.bwd = data, nil, nil
}

// Forward returns W0ᵀ packed.
func (w *Weight) Forward() *kernels.Packed {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fwd == nil {
		w.fwd = kernels.Pack(kernels.NT, w.In, w.Out, w.data, w.In)
	}
	return w.fwd
}

// Backward returns W0 packed.
func (w *Weight) Backward() *kernels.Packed {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bwd == nil {
		w.bwd = kernels.Pack(kernels.NN, w.Out, w.In, w.data, w.In)
	}
	return w.bwd
}
