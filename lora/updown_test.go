package lora_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// An upDown is a model of two linear maps.
type upDown struct{ nn.Body }

func (upDown) Forward(*nn.Context) ag.Tensor { panic("there are no tokens") }

func (upDown) Check(*nn.Context) error { return nil }

func (upDown) Task() nn.Task { return nn.Features }

func (upDown) Clone() nn.Model { panic("it is not cloned") }

// newUpDown returns the model whose values source gives.
func newUpDown(t *testing.T, hidden, in, out int, source nn.Floats) *upDown {
	t.Helper()
	b := nn.NewBuilder(source)
	b.Linear("up", hidden, in, false)
	b.Linear("down", out, hidden, true)
	body, err := b.Body()
	require.NoError(t, err)
	return &upDown{body}
}

// random is a source of normal numbers.
func random(seed uint64) nn.Floats {
	rng := rand.New(rand.NewPCG(seed, 7))
	return func(_ string, shape ...int) ([]float32, error) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return x, nil
	}
}

// trained returns a detached set of the method, every trained value of which is
// random.
func trained(t *testing.T, model nn.Model, method lora.Method, opt lora.Options) *lora.Set {
	t.Helper()
	opt.Gradient = func(m *adapter.Map) []float32 { return m.W0() }
	opt.Moments = func(m *adapter.Map) *adapter.Moments {
		x := &adapter.Moments{
			Rows: 1, Mean: make([]float64, m.In), Output: make([]float64, m.Out),
			Second: make([]float64, m.In*m.In), Scaled: make([]float64, m.In*m.In),
		}
		for i := range m.In {
			x.Second[i*m.In+i] = 1
		}
		return x
	}
	set, err := lora.Inject(model, method, opt)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(opt.Seed, 3))
	for _, m := range set.Maps {
		for _, f := range m.Factors {
			for i := range f.Floats() {
				if f.Trained {
					f.Floats()[i] += float32(0.3 * rng.NormFloat64())
				}
			}
		}
	}
	for _, w := range set.Wholes {
		for i := range w.Floats() {
			w.Floats()[i] += float32(rng.NormFloat64())
		}
	}
	set.Remove()
	return set
}

// plain returns a detached set of LoRA.
func plain(t *testing.T, model nn.Model, rank int, seed uint64) *lora.Set {
	t.Helper()
	method, err := lora.Row("lora")
	require.NoError(t, err)
	return trained(t, model, method, lora.Options{Rank: rank, Alpha: 8, Seed: seed})
}

// changes returns ΔW of every map, in float64.
func changes(t *testing.T, set *lora.Set) map[string][]float64 {
	t.Helper()
	all := map[string][]float64{}
	for _, m := range set.Maps {
		f, err := m.Freestanding()
		require.NoError(t, err)
		d := make([]float64, m.Out*m.In)
		add := func(s float32, a, b ag.Tensor) {
			r, _ := ag.Dims(a)
			av, bv := ag.Floats(a), ag.Floats(b)
			for i := range d {
				for k := range r {
					d[i] += float64(s) * float64(bv[i/m.In*r+k]) * float64(av[k*m.In+i%m.In])
				}
			}
		}
		if f.LowRank() && f.Gain == nil && m.Replaced().Len() == 0 {
			add(m.Scaling, f.A, f.B)
			if a0, b0 := m.Start(); a0 != nil {
				add(-m.Scaling, a0, b0)
			}
		} else {
			w, err := m.Merged()
			require.NoError(t, err)
			for i, x := range m.W0() {
				d[i] = float64(w[i]) - float64(x)
			}
		}
		all[m.Name] = d
	}
	return all
}

// distance returns ‖x − y‖/‖y‖.
func distance(x, y []float64) float64 {
	if len(x) != len(y) {
		return math.Inf(1)
	}
	var d, n float64
	for i := range x {
		d += (x[i] - y[i]) * (x[i] - y[i])
		n += y[i] * y[i]
	}
	return math.Sqrt(d / n)
}

func float32s(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}
