package initial_test

import (
	"math"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/nn"
	"gonum.org/v1/gonum/mat"
)

// A spans the directions in which the inputs vary most, in their order: what it
// keeps of the centred inputs is the best of rank r.
func TestPrincipal(t *testing.T) {
	for _, shape := range shapes {
		c := centred(activations(shape[1]))
		_, s, v := decomposed(c)
		for _, init := range []initial.Principal{{}, {Whiten: true}, {Scale: true}} {
			m, _ := adapted(t, shape, init)
			a, b := factors(m)
			for k := range rank {
				same(t, "a row of A", a.RowView(k), v.ColView(k))
				length := 1.0
				switch {
				case init.Whiten:
					length = 1 / math.Sqrt(s[k])
				case init.Scale:
					length = s[k] / s[0]
				}
				if n := mat.Norm(a.RowView(k), 2); math.Abs(n-length) > 1e-6 {
					t.Errorf("%+v: row %d has the length %v, want %v", init, k, n, length)
				}
			}
			equal(t, "B", b, mat.NewDense(m.Out, rank, nil))
		}
	}
}

// A planted subspace is found, whatever the mean of the inputs is.
func TestPrincipalIsPlanted(t *testing.T) {
	const in, n = 12, 50
	plane := mat.NewDense(rank, in, nil) // rows of a discrete cosine transform
	for k := range rank {
		for j := range in {
			plane.Set(k, j, math.Sqrt(2.0/in)*math.Cos(math.Pi*(float64(j)+0.5)*float64(k+1)/in))
		}
	}
	x := mat.NewDense(n, in, nil)
	for i := range n {
		for j := range in {
			sum := 100 + 1e-3*math.Sin(float64(i*in+j)) // a mean, and noise
			for k := range rank {
				sum += math.Cos(float64((i+1)*(k+2)*(k+1))) * plane.At(k, j)
			}
			x.Set(i, j, sum)
		}
	}
	m, err := adapter.New(nn.NewLinear("lin", 9, in, make([]float32, 9*in)), 0, 1, delta.LoRA{}, nil, rank, alpha)
	if err != nil {
		t.Fatal(err)
	}
	err = initial.Principal{}.Init([]*adapter.Map{m}, adapter.Inputs{Rand: streams(1), Moments: func(*adapter.Map) *adapter.Moments { return moments(x) }})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := factors(m)
	for _, cosine := range values(product(a, plane.T())) {
		if cosine < 1-1e-4 {
			t.Errorf("a principal angle to the planted subspace has the cosine %v", cosine)
		}
	}
}

// In the metric of the inputs, what is left of the base has the smallest (or
// with Preserve the largest) singular values, and B·A the others: Eckart and
// Young's theorem for (W0 − s·B·A)·C.
func TestOriented(t *testing.T) {
	for _, shape := range shapes {
		for _, init := range []initial.Oriented{{Damping: 0.01}, {Damping: 0.01, Preserve: true}, {Damping: 0.3, Scaled: true}} {
			m, _ := adapted(t, shape, init)
			a, b := factors(m)
			x := moments(activations(m.In))
			c := mat.NewDense(m.In, m.In, slices.Clone(x.Second))
			if init.Scaled {
				c = mat.NewDense(m.In, m.In, slices.Clone(x.Scaled))
			}
			mean := mat.Trace(c) / float64(m.In)
			for i := range m.In {
				c.Set(i, i, c.At(i, i)+init.Damping*mean)
			}
			w0 := dense(m.Out, m.In, m.W0())
			u, s, _ := decomposed(product(w0, c))
			first := 0
			if init.Preserve {
				first = len(s) - rank
			}
			out, _ := u.Dims()
			taken := u.Slice(0, out, first, first+rank)
			want := product(taken, taken.T(), w0) // U_r·U_rᵀ·W0·C·C⁻¹
			close := func(what string, got, want mat.Matrix) {
				t.Helper()
				if d := mat.Norm(minus(got, want), 2); d > 1e-5*mat.Norm(w0, 2) {
					t.Errorf("%v %+v: %s is off by %.2g", shape, init, what, d)
				}
			}
			close("s·B·A", scaled(float64(m.Scaling), product(b, a)), want)
			close("the base", dense(m.Out, m.In, m.Base.Floats()), minus(w0, want))
			balanced := mat.NewDense(rank, rank, nil)
			for k := range rank {
				balanced.Set(k, k, s[first+k]/float64(m.Scaling))
			}
			if d := mat.Norm(minus(product(b.T(), b), balanced), 2); d > 1e-5*s[first]/float64(m.Scaling) {
				t.Errorf("%v %+v: Bᵀ·B is off by %.2g of %.2g", shape, init, d, s[first])
			}
		}
	}
}
