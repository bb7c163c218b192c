package ag

// Div is the element-wise quotient y = a/b, infinite or NaN where b is 0.
//
//	da = dy/b    db = -dy∘y/b
type Div struct {
	a, b Tensor
	output
}

// NewDiv returns the operator for a and b of one shape, that of y.
func NewDiv(a, b Tensor) *Div {
	m, n := sameShape("Div", "a", a, "b", b)
	return &Div{a: a, b: b, output: newOutput(m, n)}
}

func (f *Div) Operands() []Tensor { return []Tensor{f.a, f.b} }

func (f *Div) Forward() (Tensor, error) {
	a, b := Floats(f.a), Floats(f.b)
	for i := range f.y.Floats() {
		f.y.Floats()[i] = a[i] / b[i]
	}
	return f.y, nil
}

func (f *Div) Backward(gy Tensor) error {
	b, dy := Floats(f.b), Floats(gy)
	if f.a.RequiresGrad() {
		Accumulate(f.a, func(da []float32, acc bool) {
			if !acc {
				clear(da)
			}
			for i := range da {
				da[i] += dy[i] / b[i]
			}
		})
	}
	if f.b.RequiresGrad() {
		Accumulate(f.b, func(db []float32, acc bool) {
			if !acc {
				clear(db)
			}
			for i := range db {
				db[i] -= dy[i] * f.y.Floats()[i] / b[i]
			}
		})
	}
	return nil
}
