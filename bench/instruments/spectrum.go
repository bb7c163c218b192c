package instruments

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/probe"
	"github.com/lowrank/lowrank/nn"
)

// spectrum times all of tier 1 of one map, whose metrics come from the factors,
// against the singular values of the dense change alone.
func (r *run) spectrum() error {
	const rank = 16
	n := r.Side
	m, err := adapter.New(nn.NewLinear("w", n, n, make([]float32, n*n)), 0, 1, delta.LoRA{}, nil, rank, rank)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, f := range m.Factors {
		for i := range f.Floats() {
			f.Floats()[i] = float32(rng.NormFloat64())
		}
	}
	m.Forward(&nn.Context{Tape: ag.NewTape()}, ag.NewVariable(1, n, nil))
	p := probe.New([]*adapter.Map{m})
	var sigma []float64
	var times []float64
	for range 20 {
		began := time.Now()
		rows, err := p.After(0, probe.Tier1)
		times = append(times, time.Since(began).Seconds())
		if err != nil {
			return err
		}
		sigma = sigma[:0]
		for _, row := range rows {
			if row.Layer == "w" && row.Name == fmt.Sprint("sigma_", len(sigma)+1) {
				sigma = append(sigma, row.Value)
			}
		}
	}
	factored := median(times)

	began := time.Now()
	wide := func(rows, cols int, x []float32) *mat.Dense {
		d := mat.NewDense(rows, cols, nil)
		for i, v := range x {
			d.RawMatrix().Data[i] = float64(v)
		}
		return d
	}
	var change mat.Dense
	change.Mul(wide(n, rank, m.Factor("B").Floats()), wide(rank, n, m.Factor("A").Floats()))
	var svd mat.SVD
	if !svd.Factorize(&change, mat.SVDNone) {
		return fmt.Errorf("the decomposition did not converge")
	}
	dense := time.Since(began).Seconds()
	off := 0.0
	for i, want := range svd.Values(nil)[:rank] {
		off = max(off, math.Abs(sigma[i]-want)/want)
	}
	row := &compare.Row{Name: fmt.Sprintf("%d×%d, r = %d", n, n, rank), Unit: "ms", Rates: []compare.Rate{
		{Side: "tier 1 by factors", Seconds: factored, Rate: 1000 * factored}, {Side: "gonum, dense", Seconds: dense, Rate: 1000 * dense},
	}}
	row.Checks = []compare.Check{
		{What: "× as fast", Got: dense / factored, Want: faster},
		{What: "relative difference", Got: off, Want: 1e-6, AtMost: true},
	}
	r.add(row)
	return nil
}
