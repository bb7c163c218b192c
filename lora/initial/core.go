package initial

import (
	"errors"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
)

// setCore makes what stands between A and B the matrix diag(d): the factor E, or
// the diagonal of R.
func setCore(m *adapter.Map, d []float64) {
	if e := m.Factor("E"); e != nil {
		for k, v := range d {
			e.Floats()[k] = float32(v)
		}
		return
	}
	r := m.Factor("R").Floats()
	for k, v := range d {
		r[k*m.Rank+k] = float32(v)
	}
}

// offsetCore puts diag(d) between A and B, and takes the product of the three out
// of the base.
func offsetCore(m *adapter.Map, d []float64) error {
	zero := true
	a := append([]float32(nil), m.Factor("A").Floats()...)
	for k, v := range d {
		zero = zero && float32(v) == 0
		for j := range m.In {
			a[k*m.In+j] *= float32(v)
		}
	}
	if zero {
		return errors.New("its singular values are zero: there is nothing to start with")
	}
	setCore(m, d)
	b := append([]float32(nil), m.Factor("B").Floats()...)
	m.OffsetBy(ag.NewVariable(m.Rank, m.In, a), ag.NewVariable(m.Out, m.Rank, b))
	return nil
}

// over returns x/by.
func over(x []float64, by float64) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = v / by
	}
	return y
}
