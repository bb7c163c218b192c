package initial

import (
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/geometry"
	"gonum.org/v1/gonum/mat"
)

// Orthonormal draws A uniformly among the matrices with A·Aᵀ = I and leaves B
// at zero: the "orthogonal" start of LoRAFactory and torch, by the QR factors
// of a Gaussian matrix. The function is the base's, and G·Aᵀ·A, along which
// the first step of gradient descent moves the weight, is s² times an
// orthogonal projection of the gradient. Where the rank is above in, AᵀA = I.
type Orthonormal struct{}

func (Orthonormal) Needs() []adapter.Capability { return zeroB() }

func (Orthonormal) Provides() []adapter.Capability { return nil }

func (Orthonormal) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		rng := stream(in, m, "A")
		x := mat.NewDense(max(m.In, m.Rank), min(m.In, m.Rank), nil)
		for i := range x.RawMatrix().Data {
			x.RawMatrix().Data[i] = rng.NormFloat64()
		}
		q, _ := geometry.QR(x)
		a := m.Factor("A").Floats()
		for k := range m.Rank {
			for j := range m.In {
				if m.Rank <= m.In {
					a[k*m.In+j] = float32(q.At(j, k))
				} else {
					a[k*m.In+j] = float32(q.At(k, j))
				}
			}
		}
	}
	return nil
}
