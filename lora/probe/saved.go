package probe

import (
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/internal/gram"
)

// saved is a trained factor before the step. Of one that is itself a factor of
// the product, the product's copy is the only one.
type saved struct {
	l           *layer
	f           *adapter.Factor
	value, grad []float32 // grad: empty where there is none
	shared      bool      // value is the product's copy
	turned      bool      // value and grad are transposed, as the product has B
}

// share takes the product's copy for the value.
func (f *saved) share(value []float32, turned bool) {
	f.value, f.shared, f.turned = value, true, turned
}

// keep copies the value.
func (f *saved) keep() {
	if f.shared {
		f.value, f.shared, f.turned = nil, false, false
	}
	f.value = append(f.value[:0], f.f.Floats()...)
}

// keepGrad copies the gradient, in the order of the value.
func (f *saved) keepGrad() {
	grad := f.f.GradFloats()
	if f.grad = append(f.grad[:0], grad...); f.turned && len(grad) > 0 {
		gram.Transpose(f.grad, grad, f.f.Rows(), f.f.Cols())
	}
}

// now returns the factor after the step, in the order of the value.
func (f *saved) now() []float32 {
	if f.turned {
		p, _ := f.l.now()
		return p.bt.Data
	}
	return f.f.Floats()
}

// change returns what the step changed of the factor, until it is asked of another.
func (f *saved) change() []float32 {
	w := f.l.work
	w.df = gram.Resize(w.df, len(f.value))
	subtract(w.df, f.now(), f.value)
	return w.df
}

// along returns <df, gf>, df what the step changed of the factor f.
func (f *saved) along() float64 {
	if len(f.grad) == 0 {
		return 0
	}
	return kernels.Dot(f.change(), f.grad)
}
