package ag

import "github.com/nlpodyssey/spago/mat"

// An output is what every operator of this package has: the matrix y that Forward
// writes. Its memory is the tape's, or the operator's own where there is none, made
// when it is first asked for, or what a block has given it before: see [Tape.Block].
type output struct{ y *Variable }

func newOutput(rows, cols int) output {
	if rows < 0 || cols < 0 {
		fail("NewVariable", "%d×%d: sizes must not be negative", rows, cols)
	}
	return output{&Variable{Dense: newDense(0, 0), rows: rows, cols: cols, lazy: true}}
}

// result returns y.
func (o *output) result() *Variable { return o.y }

// bind makes data the values of v.
func (v *Variable) bind(data []float32) {
	if len(data) > 0 && len(v.data) > 0 && &data[0] == &v.data[0] {
		return
	}
	header := mat.NewDense[float32](mat.WithShape(v.rows, v.cols), mat.WithBacking(data))
	header.SetRequiresGrad(v.Dense.RequiresGrad())
	v.Dense, v.data, v.lazy = header, data, false
}

// forget gives up the values of v, to be made again when they are asked for.
func (v *Variable) forget() {
	if v.ws != nil {
		v.ws.drop(v.data)
	}
	empty := newDense(0, 0)
	empty.SetRequiresGrad(v.Dense.RequiresGrad())
	v.Dense, v.data, v.lazy = empty, nil, true
}
