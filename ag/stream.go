package ag

import "github.com/lowrank/lowrank/kernels"

// forward computes y = x·W0ᵀ + u·Bᵀ + bias for x m×in, u m×r, B out×r and a bias of
// out elements, or none.
func (w *Weight) forward(m int, x []float32, r int, u, b, bias, y []float32) {
	if !w.streamed {
		kernels.MatMulPackedFrom(bias, m, x, w.In, w.Forward(), kernels.NT, r, u, r, b, r, y, w.Out)
		return
	}
	w.stream(kernels.NT, w.In, w.Out, func(p *kernels.Packed, from int) {
		part := bias
		if part != nil {
			_, n := p.Dims()
			part = bias[from:][:n]
		}
		kernels.MatMulPackedFrom(part, m, x, w.In, p, kernels.NT, r, u, r, b[from*r:], r, y[from:], w.Out)
	})
}

// backward computes dx = dy·W0 + v·A, or adds to dx, for dy m×out, v m×r and A
// r×in.
func (w *Weight) backward(acc bool, m int, dy []float32, r int, v, a, dx []float32) {
	p := w.backwardOf(m)
	if p != nil {
		kernels.MatMulPackedPlus(acc, m, dy, w.Out, p, kernels.NN, r, v, r, a, w.In, dx, w.In)
		return
	}
	w.stream(kernels.NN, w.Out, w.In, func(p *kernels.Packed, from int) {
		right := a
		if r > 0 {
			right = a[from:]
		}
		kernels.MatMulPackedPlus(acc, m, dy, w.Out, p, kernels.NN, r, v, r, right, w.In, dx[from:], w.In)
	})
}

// A second form of a weight is held unless so many values would take much memory, and
// to products of so many rows packing anew adds a hundredth.
const manyValues, manyRows = 1 << 17, 512

// backwardOf returns W0 packed for a product of m rows, or nil where it is best streamed:
// made anew of what is packed for the forward product.
func (w *Weight) backwardOf(m int) *kernels.Packed {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.streamed || w.Out*w.In >= manyValues && m >= manyRows && !w.bwd.done {
		return nil
	}
	return w.pack(&w.bwd, kernels.NN, w.In)
}

// How much of a weight is packed at once: as many columns as each thread packs
// by itself, for all threads, and more of them as long as they stay in a cache.
const (
	streamColumns = 192
	streamBytes   = 1 << 20
)

func columnsAtOnce(k int) int {
	return streamColumns * max(kernels.Threads(), streamBytes/(4*streamColumns*max(k, 1)))
}

// Panels returns how many values of a streamed out×in weight are packed at once.
func Panels(out, in int) int {
	return max(in*min(out, columnsAtOnce(in)), out*min(in, columnsAtOnce(out)))
}

// stream packs the n columns of an operand with k rows a few at a time, in memory
// that all weights share, and has each part multiplied.
func (w *Weight) stream(op kernels.Op, k, n int, multiply func(p *kernels.Packed, from int)) {
	p := panels.get()
	defer panels.put(p)
	step := columnsAtOnce(k)
	for from := 0; from < n; from += step {
		w.repack(p, op, from, min(n, from+step))
		multiply(p, from)
	}
}

// repack packs columns from, …, to-1 of an operand.
func (w *Weight) repack(p *kernels.Packed, op kernels.Op, from, to int) {
	if !w.streamed {
		p.RepackTurned(w.Forward(), from, to)
		return
	}
	p.RepackStored(op, &w.held, from, to)
	if r, a, b := w.product.r, w.product.a, w.product.b; r > 0 && op == kernels.NT {
		p.AddProduct(r, a, w.In, b[from:], w.Out)
	} else if r > 0 {
		p.AddProduct(r, b, w.Out, a[from:], w.In)
	}
}
