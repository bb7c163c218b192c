package ag

import "slices"

// Lookup is y_ik = s·a_{k,ids_i}: a column of a for every token, times s, which
// is s·onehot(ids)·aᵀ, LoRA's x·Aᵀ where x is the input of an embedding. The
// gradient of a column of a is s times the sum of dy over its tokens, in their
// order.
type Lookup struct {
	a    Tensor
	ids  []int32
	s    float32
	r, v int
	output

	except []int32 // ids whose columns get no gradient
}

// NewLookup returns the operator for a r×V and one id in 0..V-1 a token; y is
// len(ids)×r. It keeps ids and reads them anew in each Forward: who changes
// them keeps them in range, or Forward panics with a [*ShapeError].
func NewLookup(a Tensor, ids []int32, s float32) *Lookup {
	f := &Lookup{a: a, ids: ids, s: s}
	f.r, f.v = Dims(a)
	f.check()
	f.output = newOutput(len(ids), f.r)
	return f
}

// Except makes the columns of some ids, a padding's, get no gradient, and returns
// the operator.
func (f *Lookup) Except(ids []int32) *Lookup {
	f.except = ids
	return f
}

func (f *Lookup) check() {
	for i, id := range f.ids {
		if id < 0 || int(id) >= f.v {
			fail("Lookup", "id %d of token %d, a is %d×%d: ids must be in 0..%d", id, i, f.r, f.v, f.v-1)
		}
	}
}

func (f *Lookup) Operands() []Tensor { return []Tensor{f.a} }

func (f *Lookup) Forward() (Tensor, error) {
	f.check()
	a := Floats(f.a)
	for k := range f.r {
		row := a[k*f.v:][:f.v]
		for i, id := range f.ids {
			f.y.Floats()[i*f.r+k] = f.s * row[id]
		}
	}
	return f.y, nil
}

func (f *Lookup) Backward(gy Tensor) error {
	if !f.a.RequiresGrad() {
		return nil
	}
	dy := Floats(gy)
	Accumulate(f.a, func(da []float32, acc bool) {
		if !acc {
			clear(da)
		}
		for k := range f.r {
			row := da[k*f.v:][:f.v]
			for i, id := range f.ids {
				if !slices.Contains(f.except, id) {
					row[id] += f.s * dy[i*f.r+k]
				}
			}
		}
	})
	return nil
}
