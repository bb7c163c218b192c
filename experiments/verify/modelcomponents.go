package verify

import (
	"math"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
)

// components are the factors of a decomposition whose product s·Σ b_k·a_kᵀ was
// taken out of a weight out×in.
type components struct {
	a, b          []float32 // row k is component k: rank×in and rank×out
	rank, in, out int
	s             float64
}

func componentsOf(m *adapter.Map) components {
	a, b := m.Start()
	return components{ag.Floats(a), transposed(ag.Floats(b), m.Out, m.Rank), m.Rank, m.In, m.Out, float64(m.Scaling)}
}

// compare compares two decompositions of one weight. Each component has either
// sign, and those whose singular values are near turn towards each other by
// float32's roundings over the distance of the values. What does not turn, Aᵀ·A
// and B·Bᵀ, must be equal, and each component must look where the wanted one
// does.
func (c components) compare(r *rows, nameA, nameB string, want components) {
	r.near(nameA, gram(c.a, c.rank, c.in), gram(want.a, c.rank, c.in), Values)
	r.near(nameB, gram(c.b, c.rank, c.out), gram(want.b, c.rank, c.out), Values)
	for k := range c.rank {
		const most = 1e-6 // of 1 − |cos|: a turn by 0.0014
		for _, cos := range []float64{cosine(c.rowA(k), want.rowA(k)), cosine(c.rowB(k), want.rowB(k))} {
			if !(math.Abs(cos) >= 1-most) {
				r.equal(nameA, false, "component %d has a cosine of %g to the wanted one", k, cos)
			}
		}
	}
}

// turned reports whether two decompositions differ, though their singular values
// are the same: the last of them may be near the first that was left, and then
// components turn out of the space that they span.
func (c components) turned(other components) bool {
	same, product := true, true
	for k := range c.rank {
		v, w := c.value(k), other.value(k)
		same = same && math.Abs(v-w) <= Values.Abs+Values.Rel*w
	}
	for i := range c.out {
		for j := range c.in {
			v, w := c.at(i, j), other.at(i, j)
			product = product && math.Abs(v-w) <= Values.Abs+Values.Rel*math.Abs(w)
		}
	}
	return same && !product
}

// singular reports whether the components are singular triplets of the weight w,
// out×in, which shows without regard to how near their values are:
//
//	w·a_k = s·|a_k|²·b_k    wᵀ·b_k = s·|b_k|²·a_k
func (c components) singular(w []float32) bool {
	t := transposed(w, c.out, c.in)
	for k := range c.rank {
		a, b := c.rowA(k), c.rowB(k)
		if !stretches(w, a, b, c.s*dot(a, a)) || !stretches(t, b, a, c.s*dot(b, b)) {
			return false
		}
	}
	return true
}

// stretches reports whether w·x is f·y.
func stretches(w, x, y []float32, f float64) bool {
	for i := range y {
		want := f * float64(y[i])
		if !(math.Abs(dot(w[i*len(x):(i+1)*len(x)], x)-want) <= Values.Abs+Values.Rel*math.Abs(want)) {
			return false
		}
	}
	return true
}

func (c components) rowA(k int) []float32 { return c.a[k*c.in : (k+1)*c.in] }

func (c components) rowB(k int) []float32 { return c.b[k*c.out : (k+1)*c.out] }

// value returns the singular value of component k.
func (c components) value(k int) float64 {
	a, b := c.rowA(k), c.rowB(k)
	return c.s * math.Sqrt(dot(a, a)*dot(b, b))
}

// at returns an entry of the product.
func (c components) at(i, j int) (sum float64) {
	for k := range c.rank {
		sum += float64(c.b[k*c.out+i]) * float64(c.a[k*c.in+j])
	}
	return c.s * sum
}

func cosine(x, y []float32) float64 { return dot(x, y) / math.Sqrt(dot(x, x)*dot(y, y)) }

// gram returns xᵀ·x, n×n, of x rank×n.
func gram(x []float32, rank, n int) []float32 {
	g := make([]float32, n*n)
	t := transposed(x, rank, n)
	for i := range n {
		for j := range n {
			g[i*n+j] = float32(dot(t[i*rank:(i+1)*rank], t[j*rank:(j+1)*rank]))
		}
	}
	return g
}

func dot(x, y []float32) (sum float64) {
	for i := range x {
		sum += float64(x[i]) * float64(y[i])
	}
	return sum
}

// transposed returns xᵀ of x rows×cols.
func transposed(x []float32, rows, cols int) []float32 {
	t := make([]float32, len(x))
	for i := range rows {
		for j := range cols {
			t[j*rows+i] = x[i*cols+j]
		}
	}
	return t
}
