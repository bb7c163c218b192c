package initial

import (
	"fmt"
	"math"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/internal/gram"
)

// Principal starts with the principal components of what enters the map in A,
// and B at zero: EVA (arXiv 2410.07170, section 3), without its redistribution
// of the ranks. With the covariance C of the inputs over the calibration
// batches, C = V·Λ·Vᵀ,
//
//	A = V_rᵀ    B = 0
//
// Among all A with A·Aᵀ = I this one keeps the most of the inputs' variance,
// and the largest expected gradient of B where the outputs' gradient knows
// nothing of the inputs. The function is the base's.
//
// The paper and PEFT update a truncated decomposition batch by batch, until it
// stands still; here the covariance is exact.
//
// Whiten divides row k by the root of the singular value σ_k = √(N·λ_k) of the
// N centred inputs, as PEFT's option does; Scale multiplies it by σ_k/σ_1, as
// LoRAFactory's scale_by_singular_values.
type Principal struct {
	Whiten bool
	Scale  bool
}

func (Principal) Needs() []adapter.Capability {
	return append(zeroB(), adapter.Activations)
}

func (Principal) Provides() []adapter.Capability { return nil }

// FromPEFT returns the start of an eva_config with rho 1, by which all ranks stay
// as they are.
func (Principal) FromPEFT(start any, config map[string]any) (adapter.Initializer, bool) {
	c, _ := config["eva_config"].(map[string]any)
	rho, _ := c["rho"].(float64)
	whiten, _ := c["whiten"].(bool)
	return Principal{Whiten: whiten}, start == "eva" && rho == 1
}

// Check refuses options that exclude each other.
func (p Principal) Check() error {
	if p.Whiten && p.Scale {
		return fmt.Errorf("initial: whiten and scale are both set: the one undoes the other")
	}
	return nil
}

func (p Principal) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		if m.Rank > m.In {
			return fmt.Errorf("initial: %s: rank is %d: must be at most its %d inputs", m.Name, m.Rank, m.In)
		}
		x, err := momentsOf(m, in)
		if err != nil {
			return err
		}
		var e gram.Eigen
		if !e.Of(m.In, covariance(x, m.In)) {
			return fmt.Errorf("initial: %s: the covariance of its activations has no eigenvalues", m.Name)
		}
		last := m.In - 1 // the largest
		if e.L[last] <= 0 {
			return fmt.Errorf("initial: %s: its activations are all the same: they have no components", m.Name)
		}
		a := m.Factor("A").Floats()
		for k := range m.Rank {
			sigma := math.Sqrt(e.L[last-k] * float64(x.Rows))
			scale := 1.0
			switch {
			case p.Whiten && sigma > 0:
				scale = 1 / math.Sqrt(sigma)
			case p.Scale:
				scale = math.Sqrt(e.L[last-k] / e.L[last])
			}
			component(a[k*m.In:(k+1)*m.In], &e, last-k, scale)
		}
	}
	return nil
}

// covariance returns C = E xᵀ·x − (E x)ᵀ·(E x).
func covariance(x *adapter.Moments, n int) []float64 {
	c := append([]float64(nil), x.Second...)
	for i := range n {
		for j := range n {
			c[i*n+j] -= x.Mean[i] * x.Mean[j]
		}
	}
	return c
}

// component writes an eigenvector, with the sign that makes its largest entry
// positive, the first among equals.
func component(dst []float32, e *gram.Eigen, k int, scale float64) {
	n, largest := len(dst), 0.0
	for i := range n {
		if v := e.U[i*n+k]; math.Abs(v) > math.Abs(largest) {
			largest = v
		}
	}
	if largest < 0 {
		scale = -scale
	}
	for i := range dst {
		dst[i] = float32(scale * e.U[i*n+k])
	}
}
