package nn_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

func random(n int) []float32 {
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

// near compares with a float64 value; sums here have at most 7 terms.
func near(t *testing.T, name string, got []float32, want func(i int) float64) {
	t.Helper()
	for i, x := range got {
		if w := want(i); !(math.Abs(float64(x)-w) <= 1e-5) {
			t.Errorf("%s[%d] = %g, want %g", name, i, x, w)
		}
	}
}

// TestLinear: frozen and trained, with and without bias, y = x·Wᵀ + b.
func TestLinear(t *testing.T) {
	const m, out, in = 3, 5, 7
	x, w, b := random(m*in), random(out*in), random(out)
	for _, trained := range []bool{false, true} {
		for _, bias := range []bool{false, true} {
			l := nn.NewLinear("l", out, in, append([]float32(nil), w...))
			l.W.SetRequiresGrad(trained)
			if bias {
				l.Bias = ag.NewVariable(1, out, b)
			}
			c := &nn.Context{Tape: ag.NewTape()}
			y := l.Forward(c, ag.NewVariable(m, in, x))
			check := func(name string, scale float64) {
				t.Helper()
				near(t, fmt.Sprintf("%s (trained %v, bias %v)", name, trained, bias), ag.Floats(y), func(i int) float64 {
					var s float64
					for k := range in {
						s += scale * float64(x[i/out*in+k]) * float64(w[i%out*in+k])
					}
					if bias {
						s += float64(b[i%out])
					}
					return s
				})
			}
			check("y", 1)
			if y.RequiresGrad() != trained {
				t.Errorf("y requires a gradient: %v, W: %v", y.RequiresGrad(), trained)
			}
			for i := range l.W.Floats() {
				l.W.Floats()[i] *= 2
			}
			l.Repack()
			y = l.Forward(c, ag.NewVariable(m, in, x))
			check("y of 2W", 2)
		}
	}
}

type double struct{ l *nn.Linear }

func (d double) Forward(c *nn.Context, x ag.Tensor) ag.Tensor { return c.Run(ag.NewAdd(x, x)) }

func (d double) Lookup(c *nn.Context, ids []int32) ag.Tensor {
	return c.Run(ag.NewLookup(d.l.W, ids, 2))
}

func TestAdapter(t *testing.T) {
	l := nn.NewLinear("l", 2, 2, random(4))
	l.Adapter = double{l}
	x := random(2)
	y := l.Forward(&nn.Context{Tape: ag.NewTape()}, ag.NewVariable(1, 2, x))
	near(t, "y", ag.Floats(y), func(i int) float64 { return 2 * float64(x[i]) })
}

func TestEmbeddingAndNorm(t *testing.T) {
	const n = 6
	table, w := random(4*n), random(n)
	c := &nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: 3, IDs: []int32{2, 0, 2}}
	e := &nn.Embedding{Linear: &nn.Linear{Name: "e", Kind: nn.Table, In: 4, Out: n, W: ag.NewVariable(4, n, table)}}
	norm := &nn.RMSNorm{Name: "n", W: ag.NewVariable(1, n, w), Eps: 0.25}
	x := e.Forward(c, c.IDs)
	y := norm.Forward(c, x)
	at := func(i int) float64 { return float64(table[int(c.IDs[i/n])*n+i%n]) }
	check := func() {
		t.Helper()
		near(t, "embedding", ag.Floats(x), at)
		near(t, "norm", ag.Floats(y), func(i int) float64 {
			s := 0.25
			for k := range n {
				s += at(i/n*n+k) * at(i/n*n+k) / n
			}
			return at(i) / math.Sqrt(s) * float64(w[i%n])
		})
	}
	check()
	copy(c.IDs, []int32{3, 3, 1})
	c.Replay()
	check()
}

// Logits are made when they are asked for, other outputs as the graph is built.
func TestOutputIsPostponed(t *testing.T) {
	for output, want := range map[bool]int{true: 0, false: 4 * 5 * 6} {
		l := nn.NewLinear("head", 6, 3, make([]float32, 18))
		l.Output = output
		c := &nn.Context{Tape: ag.NewTape()}
		y := l.Forward(c, ag.NewVariable(5, 3, nil))
		if got := c.Tape.Bytes(); got != want {
			t.Errorf("output %v: %d bytes, want %d", output, got, want)
		}
		if n := len(ag.Floats(y)); n != 30 {
			t.Errorf("output %v: %d values", output, n)
		}
	}
}
