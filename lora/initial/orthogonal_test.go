package initial_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/nn"
	"gonum.org/v1/gonum/mat"
)

// Neither factor is zero, their product is, and each has half the rank: entries
// have the variance 1/200 on average, of dim·r/2 normal values together.
func TestOrthogonal(t *testing.T) {
	const r = 6
	seeded := adapter.Inputs{Rand: func(name string) *rand.Rand {
		return rand.New(rand.NewPCG(3, uint64(len(name)+int(name[len(name)-1]))))
	}}
	l := nn.NewLinear("lin", 50, 70, make([]float32, 50*70))
	m, err := adapter.New(l, 0, 1, delta.LoRA{}, nil, r, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := (initial.Orthogonal{}).Init([]*adapter.Map{m}, seeded); err != nil {
		t.Fatal(err)
	}
	a, b := dense(r, m.In, m.Factor("A").Floats()), dense(m.Out, r, m.Factor("B").Floats())
	equal(t, "B·A", product(b, a), mat.NewDense(m.Out, m.In, nil))
	for name, x := range map[string]*mat.Dense{"A": a, "B": b} {
		rows, cols := x.Dims()
		n := float64(rows * cols)
		if v := mat.Norm(x, 2) * mat.Norm(x, 2) / n; math.Abs(200*v-1) > 5*math.Sqrt(4/n) {
			t.Errorf("%s has the second moment %v, want 1/200", name, v)
		}
		s := values(x)
		if s[r/2-1] < 0.1 || s[r/2] > 1e-6 {
			t.Errorf("%s has the singular values %v, want %d that are not zero", name, s, r/2)
		}
	}
	if start, _ := m.Start(); start != nil {
		t.Error("the base was changed")
	}

	odd, err := adapter.New(l, 0, 1, delta.LoRA{}, nil, 3, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := (initial.Orthogonal{}).Init([]*adapter.Map{odd}, seeded); err != nil {
		t.Fatal(err)
	}
	a, b = dense(3, m.In, odd.Factor("A").Floats()), dense(m.Out, 3, odd.Factor("B").Floats())
	equal(t, "B·A of an odd rank", product(b, a), mat.NewDense(m.Out, m.In, nil))
	if sa, sb := values(a), values(b); sa[1] < 0.1 || sa[2] > 1e-6 || sb[0] < 0.1 || sb[1] > 1e-6 {
		t.Errorf("of rank 3, A has the singular values %v and B %v, want two and one that are not zero", sa, sb)
	}
	if _, ok := (initial.Orthogonal{}).FromPEFT("orthogonal", nil); !ok {
		t.Error("PEFT's name is not known")
	}
}
