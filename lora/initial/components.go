package initial

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/geometry"
	"github.com/lowrank/lowrank/lora/internal/gram"
	"gonum.org/v1/gonum/mat"
)

// components are the principal ones of what enters a map: the variances s from the
// largest, the directions in the columns of v in×k, and the total of all variances.
type components struct {
	s     []float64
	v     *mat.Dense
	total float64
}

// known are components that several maps share, those that read the same inputs.
type known map[*float64]components // by the second moments

// components returns at least k components of what enters m.
func (n known) components(m *adapter.Map, in adapter.Inputs, k int) (components, error) {
	if x := in.Moments(m); x != nil && x.Leading != nil {
		return leadingOf(m, x.Leading, k)
	}
	x, err := momentsOf(m, in)
	if err != nil {
		return components{}, err
	}
	if c, ok := n[&x.Second[0]]; ok && len(c.s) >= k {
		return c, nil
	}
	c, err := componentsOf(m, x, k)
	if err == nil {
		n[&x.Second[0]] = c
	}
	return c, err
}

// leadingOf returns k of the components that calibration kept.
func leadingOf(m *adapter.Map, x *adapter.Components, k int) (components, error) {
	have := len(x.Variances)
	switch {
	case len(x.Directions) != have*m.In || m.In == 0:
		return components{}, fmt.Errorf("initial: %s: its components are %d values of %d directions, the weight is %d×%d", m.Name, len(x.Directions), have, m.Out, m.In)
	case have == 0 || !(x.Variances[0] > 0):
		return components{}, fmt.Errorf("initial: %s: its activations are all the same: they have no components", m.Name)
	case have < k:
		return components{}, fmt.Errorf("initial: %s: calibration kept %d components of its activations: %d are needed", m.Name, have, k)
	}
	d, err := geometry.Dense(x.Directions, have, m.In)
	if err != nil {
		return components{}, fmt.Errorf("initial: %s: its components: %w", m.Name, err)
	}
	return components{x.Variances, mat.DenseCopyOf(d.T()), x.Total}, nil
}

// componentsOf returns k components, of many inputs as [triplets] has them.
func componentsOf(m *adapter.Map, x *adapter.Moments, k int) (c components, err error) {
	cov := covariance(x, m.In)
	for i := range m.In {
		c.total += cov[i*m.In+i]
	}
	if m.In > exact && few*k <= m.In {
		narrow := make([]float32, len(cov))
		for i, v := range cov {
			narrow[i] = float32(v / c.total) // within float32, whatever the inputs' size
		}
		t, err := geometry.Triplets(narrow, m.In, m.In, k, 0, rand.New(rand.NewPCG(uint64(m.In), 0)))
		if err != nil {
			return c, fmt.Errorf("initial: %s: the covariance of its activations: %w", m.Name, err)
		}
		for i := range t.S {
			t.S[i] *= c.total
		}
		c.s, c.v = t.S, t.V
	} else {
		var e gram.Eigen
		if !e.Of(m.In, cov) {
			return c, fmt.Errorf("initial: %s: the covariance of its activations has no eigenvalues", m.Name)
		}
		c.s, c.v = make([]float64, k), mat.NewDense(m.In, k, nil)
		for j := range k { // the largest come last
			c.s[j] = e.L[m.In-1-j]
			for i := range m.In {
				c.v.Set(i, j, e.U[i*m.In+m.In-1-j])
			}
		}
	}
	if !(c.s[0] > 0) {
		return c, fmt.Errorf("initial: %s: its activations are all the same: they have no components", m.Name)
	}
	return c, nil
}

// write writes scale times a direction, with the sign that makes its largest entry
// positive, the first among equals.
func (c components) write(dst []float32, k int, scale float64) {
	direction(dst, func(i int) float64 { return c.v.At(i, k) }, scale)
}

// direction writes scale times a vector with that sign.
func direction(dst []float32, v func(i int) float64, scale float64) {
	largest := 0.0
	for i := range dst {
		if x := v(i); math.Abs(x) > math.Abs(largest) {
			largest = x
		}
	}
	if largest < 0 {
		scale = -scale
	}
	for i := range dst {
		dst[i] = float32(scale * v(i))
	}
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
