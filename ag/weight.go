package ag

import (
	"sync"

	"github.com/lowrank/lowrank/kernels"
)

// A Weight is a frozen out×in matrix, the W0 of a linear map y = x·W0ᵀ, as
// float32 or in a format of fewer bits, which is decoded while it is packed. It
// is packed once for the forward product and, if it is small or the rows are few, once
// for the input gradient, at their first use: for the gradient of many rows what the
// forward product has is packed anew, a few columns at a time. Streamed it is so in
// every product, of the values as they are kept, and nothing else is held. All give the
// same bits. Values that a file has, or nobody else, leave the memory once they are
// packed. It is no tensor: the graph never sees it. It may serve several tapes at once, but not while
// Set runs.
type Weight struct {
	Out, In int

	streamed bool
	product  // added to the values, where streamed

	mu     sync.Mutex
	values Values
	passed bool           // they are gone, and fwd is what is left of them
	held   kernels.Stored // the values as the kernels pack them
	full   []float32      // of values in fewer bits that have been asked for in whole
	fwd    packing        // W0ᵀ: in×out
	bwd    packing        // W0: out×in

	squares []float64 // of the norms of the rows; nil: not asked for yet
}

// A product is bᵀ·a, for a r×in and b r×out.
type product struct {
	r    int
	a, b []float32
}

// A packing is the packed form of a weight, whose memory serves again after the
// values have changed.
type packing struct {
	packed kernels.Packed
	done   bool
}

// NewWeight returns a frozen out×in matrix over data, which it keeps.
func NewWeight(out, in int, data []float32) *Weight {
	return NewWeightOf(out, in, Values{Floats: data})
}

// NewWeightOf is NewWeight of values that may be in fewer bits.
func NewWeightOf(out, in int, values Values) *Weight {
	w := &Weight{Out: out, In: in}
	w.set("NewWeight", values)
	return w
}

// NewStreamedWeight is NewWeightOf of a weight that is packed in every product
// anew.
func NewStreamedWeight(out, in int, values Values) *Weight {
	w := NewWeightOf(out, in, values)
	w.streamed = true
	return w
}

// Plus returns a streamed weight W0 + bᵀ·a, for a r×in and b r×out, which it keeps:
// the values are those that w keeps, in however few bits, and the product is added
// to what is packed of them, in every product anew.
func (w *Weight) Plus(r int, a, b []float32) *Weight {
	s := NewStreamedWeight(w.Out, w.In, w.Values())
	s.SetProduct(r, a, b)
	return s
}

// SetProduct replaces what [Weight.Plus] has added.
func (w *Weight) SetProduct(r int, a, b []float32) {
	const op = "Weight.SetProduct"
	if !w.streamed {
		fail(op, "the weight is packed for good: only a streamed one adds a product")
	}
	if len(a) != r*w.In || len(b) != r*w.Out {
		fail(op, "%d and %d values for factors %d×%d and %d×%d", len(a), len(b), r, w.In, r, w.Out)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.product, w.squares = product{r, a, b}, nil
}

// ProductRank returns r of [Weight.Plus], 0 where nothing was added.
func (w *Weight) ProductRank() int { return w.product.r }

// decode writes rows i, … of the matrix to x, of whole rows.
func (w *Weight) decode(x []float32, i int) {
	if w.passed {
		w.fwd.packed.Unpack(i, i+len(x)/max(w.In, 1), x, w.In)
		return
	}
	w.values.Decode(x, i*w.In)
	if p := w.product; p.r > 0 && w.In > 0 {
		kernels.MatMul(kernels.TN, true, len(x)/w.In, w.In, p.r, p.b[i:], w.Out, p.a, w.In, x, w.In)
	}
}

func (w *Weight) set(op string, values Values) {
	if values.Len() != w.Out*w.In {
		fail(op, "%d values for a %d×%d matrix", values.Len(), w.Out, w.In)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.values, w.full, w.fwd.done, w.bwd.done, w.passed = values, nil, false, false, false
	w.product, w.squares = product{}, nil
	w.held = kernels.Stored{Format: kernels.F32, Floats: values.Floats}
	if values.Stored != nil {
		w.held = *values.Stored
	}
	w.held.Rows, w.held.Cols = w.Out, w.In
}

// Packed returns how many values the packed forms have that are held now.
func (w *Weight) Packed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, p := range []*packing{&w.fwd, &w.bwd} {
		if p.done {
			n += w.Out * w.In
		}
	}
	return n
}

// Streamed reports whether nothing is packed for good.
func (w *Weight) Streamed() bool { return w.streamed }

// Values returns the values as they are kept, without a product.
func (w *Weight) Values() Values {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.values
}

// Floats returns the values as float32, row by row, to be read only. Decoded ones
// are kept, except those of a weight that is streamed or let go of its values, which
// are the caller's.
func (w *Weight) Floats() []float32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.values.Stored == nil && w.product.r == 0 && !w.passed:
		return w.values.Floats
	case w.streamed, w.passed:
		x := make([]float32, w.Out*w.In)
		w.decode(x, 0)
		return x
	case w.full == nil:
		w.full = w.values.All()
	}
	return w.full
}

// Release lets go of the values that can be had again: decoded ones, and those that
// a file has.
func (w *Weight) Release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.full = nil
	w.values.Release()
}

// Set replaces the values, and keeps these; they are packed anew at the next use, into
// the same memory.
func (w *Weight) Set(values Values) { w.set("Weight.Set", values) }

// Forward returns W0ᵀ packed.
func (w *Weight) Forward() *kernels.Packed {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pack(&w.fwd, kernels.NT, w.Out)
}

// Backward returns W0 packed.
func (w *Weight) Backward() *kernels.Packed {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pack(&w.bwd, kernels.NN, w.In)
}

func (w *Weight) pack(p *packing, op kernels.Op, n int) *kernels.Packed {
	if p.done {
		return &p.packed
	}
	if w.passed {
		p.packed.RepackTurned(&w.fwd.packed, 0, n)
	} else {
		p.packed.RepackStored(op, &w.held, 0, n)
	}
	p.done = true
	w.values.Release()
	if p == &w.fwd && w.values.Passed {
		w.passed, w.values.Floats, w.held.Floats = true, nil, nil
	}
	return &p.packed
}
