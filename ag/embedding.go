package ag

import (
	"slices"

	"github.com/lowrank/lowrank/kernels"
)

// Embedding is y_i = table_{ids_i}: a row of the table for every token. The
// gradient of a row of the table is the sum of dy over its tokens, in their
// order.
type Embedding struct {
	table Tensor
	ids   []int32
	v, n  int
	output

	except []int32 // ids whose rows get no gradient
}

// NewEmbedding returns the operator for a table V×n and one id in 0..V-1 a
// token; y is len(ids)×n. It keeps ids and reads them anew in each Forward: who
// changes them keeps them in range, or Forward panics with a [*ShapeError].
func NewEmbedding(table Tensor, ids []int32) *Embedding {
	f := &Embedding{table: table, ids: ids}
	f.v, f.n = Dims(table)
	f.check()
	f.output = newOutput(len(ids), f.n)
	return f
}

// Except makes the rows of some ids, a padding's, get no gradient, and returns
// the operator.
func (f *Embedding) Except(ids []int32) *Embedding {
	f.except = ids
	return f
}

func (f *Embedding) check() {
	for i, id := range f.ids {
		if id < 0 || int(id) >= f.v {
			fail("Embedding", "id %d of token %d, the table is %d×%d: ids must be in 0..%d", id, i, f.v, f.n, f.v-1)
		}
	}
}

func (f *Embedding) Operands() []Tensor { return []Tensor{f.table} }

func (f *Embedding) Forward() (Tensor, error) {
	f.check()
	if v, ok := f.table.(*Variable); ok { // of fewer bits it reads the rows alone
		for i, id := range f.ids {
			v.CopyTo(f.y.row(i), int(id)*f.n)
		}
		return f.y, nil
	}
	t := Floats(f.table)
	for i, id := range f.ids {
		copy(f.y.row(i), t[int(id)*f.n:][:f.n])
	}
	return f.y, nil
}

func (f *Embedding) Backward(gy Tensor) error {
	if !f.table.RequiresGrad() {
		return nil
	}
	dy := Floats(gy)
	Accumulate(f.table, func(dt []float32, acc bool) {
		if !acc {
			clear(dt)
		}
		for i, id := range f.ids {
			if slices.Contains(f.except, id) {
				continue
			}
			row := dt[int(id)*f.n:][:f.n]
			kernels.Add(row, row, dy[i*f.n:][:f.n])
		}
	})
	return nil
}
