package ag

import "github.com/lowrank/lowrank/kernels"

// Product is the dense update ΔW = s·B·A of the factors of a low-rank adapter.
//
//	dB = s·dy·Aᵀ    dA = s·Bᵀ·dy
type Product struct {
	b, a       Tensor
	s          float32
	out, r, in int
	t          []float32 // out×r
	output
}

// NewProduct returns the operator for B out×r and A r×in; y is out×in.
func NewProduct(b, a Tensor, s float32) *Product {
	f := &Product{b: b, a: a, s: s}
	f.out, f.r = Dims(b)
	r, in := Dims(a)
	if r != f.r {
		fail("Product", "B is %d×%d, A is %d×%d: A must have %d rows", f.out, f.r, r, in, f.r)
	}
	f.in = in
	f.t = make([]float32, f.out*f.r)
	f.output = newOutput(f.out, f.in)
	return f
}

func (f *Product) Operands() []Tensor { return []Tensor{f.b, f.a} }

func (f *Product) Forward() (Tensor, error) {
	kernels.MatMul(kernels.NN, false, f.out, f.in, f.r, f.scaledB(), f.r, Floats(f.a), f.in, f.y.Floats(), f.in)
	return f.y, nil
}

// scaledB returns s·B.
func (f *Product) scaledB() []float32 {
	copy(f.t, Floats(f.b))
	kernels.Scale(f.s, f.t)
	return f.t
}

func (f *Product) Backward(gy Tensor) error {
	a, dy := Floats(f.a), Floats(gy)
	if f.b.RequiresGrad() {
		Accumulate(f.b, func(db []float32, acc bool) {
			if !acc {
				clear(db)
			}
			kernels.MatMul(kernels.NT, false, f.out, f.r, f.in, dy, f.in, a, f.in, f.t, f.r)
			kernels.Axpy(f.s, f.t, db)
		})
	}
	if f.a.RequiresGrad() {
		b := f.scaledB()
		Accumulate(f.a, func(da []float32, acc bool) {
			kernels.MatMul(kernels.TN, acc, f.r, f.in, f.out, b, f.r, dy, f.in, da, f.in)
		})
	}
	return nil
}
