package initial_test

import (
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/nn"
	"gonum.org/v1/gonum/mat"
)

// The product is W0 on the span of the least eigenvectors, from an independent
// decomposition of the inputs themselves, and the factors are balanced.
func TestNull(t *testing.T) {
	for _, shape := range shapes {
		m, _ := adapted(t, shape, initial.Null{})
		unchanged(t, m)
		a, b := factors(m)
		_, _, v := decomposed(activations(m.In))
		null := v.Slice(0, m.In, m.In-rank, m.In)
		want := product(dense(m.Out, m.In, m.W0()), null, null.T())
		equal(t, "s·B·A", scaled(float64(m.Scaling), product(b, a)), want)
		equal(t, "A·Aᵀ − Bᵀ·B", minus(product(a, a.T()), product(b.T(), b)), mat.NewDense(rank, rank, nil))
	}
}

// Inputs that leave directions out give an A that they do not see.
func TestNullIsNotSeen(t *testing.T) {
	x := activations(12)
	rows, _ := x.Dims()
	for i := range rows {
		for j := range rank {
			x.Set(i, 3*j, 0)
		}
	}
	w, _ := adapted(t, shapes[0], initial.Kaiming{})
	m, err := adapter.New(nn.NewLinear("lin", w.Out, w.In, w.W0()), 0, 1, delta.LoRA{}, nil, rank, alpha)
	if err != nil {
		t.Fatal(err)
	}
	err = (initial.Null{}).Init([]*adapter.Map{m}, adapter.Inputs{Moments: func(*adapter.Map) *adapter.Moments { return moments(x) }})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := factors(m)
	equal(t, "x·Aᵀ", product(x, a.T()), mat.NewDense(rows, rank, nil))
	if mat.Norm(a, 2) < 0.1 {
		t.Error("A is about zero")
	}
}
