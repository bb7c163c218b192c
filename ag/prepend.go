package ag

import "github.com/lowrank/lowrank/kernels"

// Prepend puts the row c before the p rows of each sequence of x, as a vision
// transformer does with its class token (arXiv 2010.11929, eq. 1):
//
//	y_{b(p+1)} = c    y_{b(p+1)+1+i} = x_{bp+i}
//
// The gradient of c is the sum of dy over its rows, in the order of the
// sequences.
type Prepend struct {
	x, c  Tensor
	batch int
	size  int // of a sequence's rows in x
	output
}

// NewPrepend returns the operator for x (batch·p)×n and c 1×n; y is
// (batch·(p+1))×n.
func NewPrepend(x, c Tensor, batch int) *Prepend {
	const op = "Prepend"
	rowVector(op, "c", c, x)
	m, n := Dims(x)
	if batch < 0 || batch == 0 && m > 0 || batch > 0 && m%batch != 0 {
		fail(op, "x is %d×%d, %d sequences: x must have as many rows of each", m, n, batch)
	}
	return &Prepend{x: x, c: c, batch: batch, size: m / max(batch, 1) * n, output: newOutput(m+batch, n)}
}

func (f *Prepend) Operands() []Tensor { return []Tensor{f.x, f.c} }

// split returns row c and the rows x of sequence b, in y or dy.
func (f *Prepend) split(y []float32, b int) (c, x []float32) {
	y = y[b*(f.y.cols+f.size):][:f.y.cols+f.size]
	return y[:f.y.cols], y[f.y.cols:]
}

func (f *Prepend) Forward() (Tensor, error) {
	x, c := Floats(f.x), Floats(f.c)
	for b := range f.batch {
		yc, yx := f.split(f.y.Floats(), b)
		copy(yc, c)
		copy(yx, x[b*f.size:])
	}
	return f.y, nil
}

func (f *Prepend) Backward(gy Tensor) error {
	dy := Floats(gy)
	if f.x.RequiresGrad() {
		Accumulate(f.x, func(dx []float32, acc bool) {
			for b := range f.batch {
				_, d := f.split(dy, b)
				if to := dx[b*f.size:][:f.size]; acc {
					kernels.Add(to, to, d)
				} else {
					copy(to, d)
				}
			}
		})
	}
	if f.c.RequiresGrad() {
		Accumulate(f.c, func(dc []float32, acc bool) {
			if !acc {
				clear(dc)
			}
			for b := range f.batch {
				d, _ := f.split(dy, b)
				kernels.Add(dc, dc, d)
			}
		})
	}
	return nil
}
