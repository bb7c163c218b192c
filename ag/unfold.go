package ag

import "github.com/lowrank/lowrank/kernels"

// Unfold lays out what the kernel of a convolution covers, a row a place
// (im2col), so that the convolution is y·Wᵀ with W out×(channels·kh·kw):
//
//	y_{(b·oh+i)·ow+j, (c·kh+u)·kw+v} = x_{b, (c·height+i·sh-ph+u)·width+j·sw-pw+v}
//
// and 0 outside the image. The gradient of an entry of x is the sum of dy over
// the kernels that cover it, in the order of their places.
type Unfold struct {
	x      Tensor
	window Window
	output
}

// NewUnfold returns the operator for x batch×(channels·height·width); y is
// (batch·oh·ow)×(channels·kh·kw), where oh·ow are the places of the window.
func NewUnfold(x Tensor, w Window) *Unfold {
	const op = "Unfold"
	if err := w.Check(); err != nil {
		fail(op, "window: %v", err)
	}
	m, n := Dims(x)
	if n != w.In() {
		fail(op, "x is %d×%d, %d channels of %d×%d: x must have %d columns", m, n, w.Channels, w.Height, w.Width, w.In())
	}
	return &Unfold{x: x, window: w, output: newOutput(m*w.OutHeight()*w.OutWidth(), w.Size())}
}

func (f *Unfold) Operands() []Tensor { return []Tensor{f.x} }

// Forward leaves the padding as it is in a new variable.
func (f *Unfold) Forward() (Tensor, error) {
	f.each(Floats(f.x), f.y.Floats(), func(x, y []float32) { copy(y, x) })
	return f.y, nil
}

func (f *Unfold) Backward(gy Tensor) error {
	if f.x.RequiresGrad() {
		Accumulate(f.x, func(dx []float32, acc bool) {
			if !acc {
				clear(dx)
			}
			f.each(dx, Floats(gy), func(dx, dy []float32) { kernels.Add(dx, dx, dy) })
		})
	}
	return nil
}

// each calls span with the parts of x and y that hold the same entries.
func (f *Unfold) each(x, y []float32, span func(x, y []float32)) {
	w := f.window
	oh, ow, in, size := w.OutHeight(), w.OutWidth(), w.In(), w.Size()
	for row := range f.y.rows {
		image, y := x[row/(oh*ow)*in:][:in], y[row*size:][:size]
		w.spans(row/ow%oh, row%ow, func(in, at, n int) {
			span(image[in:in+n], y[at:at+n])
		})
	}
}
