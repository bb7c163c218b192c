package initial

import (
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/geometry"
	"gonum.org/v1/gonum/mat"
)

// Orthogonal starts from two factors that are not zero while their product is:
// PEFT's "orthogonal" (datta0.github.io/posts/rethink-lora-init). With the odd
// and the even rows P and Q, r/2×r each, of a random orthogonal matrix, and
// Gaussian matrices M in×r/2 and N out×r/2,
//
//	A = (M·P)ᵀ/10    B = N·Q/10    B·A = N·(Q·Pᵀ)·Mᵀ/100 = 0
//
// The function is the base's, and the base stays as it is. The rank must be
// even; each factor has half of it.
type Orthogonal struct{}

// Needs one weight for all tokens: gates that differ between experts would
// leave something of the product.
func (Orthogonal) Needs() []adapter.Capability {
	return []adapter.Capability{adapter.Pair, adapter.Static}
}

func (Orthogonal) Provides() []adapter.Capability { return []adapter.Capability{adapter.Filled} }

func (o Orthogonal) FromPEFT(v any, _ map[string]any) (adapter.Initializer, bool) {
	return o, v == "orthogonal"
}

func (Orthogonal) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		normal := func(factor string, rows, cols int) *mat.Dense {
			rng := stream(in, m, factor)
			x := mat.NewDense(rows, cols, nil)
			for i := range rows {
				for j := range cols {
					x.Set(i, j, rng.NormFloat64())
				}
			}
			return x
		}
		q, _ := geometry.QR(normal("Q", m.Rank, m.Rank))
		at, b := mat.NewDense(m.In, m.Rank, nil), mat.NewDense(m.Out, m.Rank, nil)
		at.Mul(normal("A", m.In, (m.Rank+1)/2), every2nd(q, 0))
		if m.Rank > 1 {
			b.Mul(normal("B", m.Out, m.Rank/2), every2nd(q, 1))
		}
		for k := range m.Rank {
			for j := range m.In {
				m.Factor("A").Floats()[k*m.In+j] = float32(at.At(j, k) / 10)
			}
			for i := range m.Out {
				m.Factor("B").Floats()[i*m.Rank+k] = float32(b.At(i, k) / 10)
			}
		}
	}
	return nil
}

// every2nd returns every second row of q, from one on.
func every2nd(q *mat.Dense, from int) *mat.Dense {
	rows, cols := q.Dims()
	half := mat.NewDense((rows-from+1)/2, cols, nil)
	for i := from; i < rows; i += 2 {
		half.SetRow(i/2, q.RawRowView(i))
	}
	return half
}
