package delta

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// Core is W' = W0 + s·B·R·A with A r×in, B out×r and a core R r×r between them,
// s = α/r. All three are trained, as in MoSLoRA (arXiv 2406.11909, eq. 5) and
// NLoRA (arXiv 2502.14482), or with CoreOnly R alone, as in LoRA-XS (arXiv
// 2405.17604, eq. 2), LoRA-SB (arXiv 2411.19557) and NLoRA's IntTune: r²
// parameters. With Inner k above zero R = Q·P with Q r×k and P k×r, as in NoRA
// (arXiv 2408.10280).
//
// The core keeps what an initializer has put there. Else it is the identity
// where the product B·A was taken out of the base; about zero where B is not
// zero, from N(0, Std²) (LoRA-XS: 1e-5); and where B is zero it is uniform
// within ±1/√r, Kaiming's, or with Orthogonal a random orthogonal matrix, the
// two starts of MoSLoRA. Of Q·P it is Q that is about zero.
type Core struct {
	CoreOnly   bool
	Inner      int     // k, at most r; 0: R is one matrix
	Std        float64 // of a core about zero
	Orthogonal bool
}

func (d Core) Needs() []adapter.Capability {
	if d.CoreOnly {
		return []adapter.Capability{adapter.Filled}
	}
	return nil
}

func (d Core) Provides() []adapter.Capability {
	can := []adapter.Capability{adapter.Pair, adapter.ZeroCore}
	if !d.CoreOnly {
		can = append(can, adapter.TrainedPair)
	}
	if d.Inner == 0 {
		can = append(can, adapter.Additive, adapter.DiagonalCore, adapter.FullCore)
	}
	return can
}

// Check refuses numbers that give no core.
func (d Core) Check() error {
	switch {
	case d.Inner < 0:
		return fmt.Errorf("delta: inner is %d: must not be negative", d.Inner)
	case !(d.Std >= 0 && d.Std <= 1e6):
		return fmt.Errorf("delta: std is %v: must be in 0..1e6", d.Std)
	}
	return nil
}

func (Core) Scaling(alpha float64, rank int) float64 { return scaling(alpha, rank, false) }

func (d Core) Factors(m *adapter.Map) ([]adapter.Spec, error) {
	specs, err := pair(m)
	for i := range specs {
		specs[i].Trained = !d.CoreOnly
	}
	if d.Inner > 0 {
		k := min(d.Inner, m.Rank)
		return append(specs,
			adapter.Spec{Name: "Q", Rows: m.Rank, Cols: k, Trained: true},
			adapter.Spec{Name: "P", Rows: k, Cols: m.Rank, Trained: true}), err
	}
	return append(specs, adapter.Spec{Name: "R", Rows: m.Rank, Cols: m.Rank, Trained: true}), err
}

func (d Core) Start(maps []*adapter.Map, rng *rand.Rand) error {
	for _, m := range maps {
		filled := nonzero(m.Factor("B").Floats())
		near := m.Factor("R") // what is about zero where B is not
		if d.Inner > 0 {
			near = m.Factor("Q")
			kaiming(m.Factor("P").Floats(), m.Rank, rng)
		}
		x := near.Floats()
		switch {
		case nonzero(x):
		case m.Edited():
			for k := range m.Rank {
				x[k*m.Rank+k] = 1
			}
		case filled:
			for i := range x {
				x[i] = float32(d.Std * rng.NormFloat64())
			}
		case d.Orthogonal && d.Inner == 0:
			orthogonal(x, m.Rank, rng)
		default:
			kaiming(x, near.Cols(), rng)
		}
	}
	return nil
}

// kaiming draws uniformly within ±1/√columns.
func kaiming(x []float32, columns int, rng *rand.Rand) {
	bound := 1 / math.Sqrt(float64(columns))
	for i := range x {
		x[i] = float32(bound * (2*rng.Float64() - 1))
	}
}

// orthogonal draws an n×n orthogonal matrix, uniformly: Gaussian rows, each
// less its part along those before.
func orthogonal(x []float32, n int, rng *rand.Rand) {
	q := make([][]float64, n)
	for i := range q {
		q[i] = make([]float64, n)
		for j := range q[i] {
			q[i][j] = rng.NormFloat64()
		}
		for range 2 { // twice is enough for float64
			for _, p := range q[:i] {
				along := dot(p, q[i])
				for j := range p {
					q[i][j] -= along * p[j]
				}
			}
		}
		length := math.Sqrt(dot(q[i], q[i]))
		for j := range q[i] {
			q[i][j] /= length
			x[i*n+j] = float32(q[i][j])
		}
	}
}

func dot(x, y []float64) (sum float64) {
	for i, v := range x {
		sum += v * y[i]
	}
	return sum
}

func (d Core) Form(c *nn.Context, m *adapter.Map) adapter.Form {
	f := adapter.Form{A: m.Factor("A"), B: m.Factor("B")}
	inner := []string{"R"}
	if d.Inner > 0 {
		inner = []string{"P", "Q"}
	}
	for _, name := range inner {
		f.A = c.Run(ag.NewProduct(m.Factor(name), f.A, 1))
	}
	return f
}
