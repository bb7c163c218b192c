package ag

import "github.com/lowrank/lowrank/kernels"

// forward computes y = x·W0ᵀ + u·Bᵀ for x m×in, u m×r and B out×r.
func (w *Weight) forward(m int, x []float32, r int, u, b, y []float32) {
	if !w.streamed {
		kernels.MatMulPackedPlus(false, m, x, w.In, w.Forward(), kernels.NT, r, u, r, b, r, y, w.Out)
		return
	}
	w.stream(kernels.NT, w.In, w.Out, func(p *kernels.Packed, from int) {
		kernels.MatMulPackedPlus(false, m, x, w.In, p, kernels.NT, r, u, r, b[from*r:], r, y[from:], w.Out)
	})
}

// backward computes dx = dy·W0 + v·A, or adds to dx, for dy m×out, v m×r and A
// r×in.
func (w *Weight) backward(acc bool, m int, dy []float32, r int, v, a, dx []float32) {
	if !w.streamed {
		kernels.MatMulPackedPlus(acc, m, dy, w.Out, w.Backward(), kernels.NN, r, v, r, a, w.In, dx, w.In)
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
		p.RepackStored(op, &w.held, from, min(n, from+step))
		if r, a, b := w.product.r, w.product.a, w.product.b; r > 0 && op == kernels.NT {
			p.AddProduct(r, a, w.In, b[from:], w.Out)
		} else if r > 0 {
			p.AddProduct(r, b, w.Out, a[from:], w.In)
		}
		multiply(p, from)
	}
}
