package probe

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/moe"
	"github.com/lowrank/lowrank/lora/update"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/optim"
)

const tokens = 40

func fill(v []float32, std float64, rng *rand.Rand) {
	for i := range v {
		v[i] = float32(std * rng.NormFloat64())
	}
}

// newMap makes a map whose factors are random, all of them.
func newMap(t *testing.T, d adapter.Delta, router adapter.Router, out, in, r int) *adapter.Map {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(out), uint64(r)))
	w := make([]float32, out*in)
	fill(w, 1, rng)
	m, err := adapter.New(nn.NewLinear("lin", out, in, w), 0, 1, d, router, r, 0.7*float64(r))
	if err != nil {
		t.Fatal(err)
	}
	m.Maps = 1
	for _, f := range m.Factors {
		fill(f.Floats(), 1, rng)
	}
	return m
}

// A run trains one map: the loss is the cross entropy of its outputs.
type run struct {
	m    *adapter.Map
	tape *ag.Tape
	loss ag.Tensor
	x    *ag.Variable
	t    []int32
}

func newRun(m *adapter.Map) *run {
	rng := rand.New(rand.NewPCG(3, 3))
	r := &run{m: m, tape: ag.NewTape(), x: ag.NewVariable(tokens, m.In, nil)}
	fill(r.x.Floats(), 1, rng)
	for range tokens {
		r.t = append(r.t, int32(rng.IntN(m.Out)))
	}
	c := &nn.Context{Tape: r.tape, Batch: 1, Tokens: tokens}
	r.loss = r.tape.Run(ag.NewCrossEntropy(m.Forward(c, r.x), r.t))
	return r
}

func (r *run) backward() {
	for _, f := range r.m.Factors {
		f.ZeroGrad()
	}
	r.tape.Replay()
	if err := r.tape.Backward(r.loss); err != nil {
		panic(err)
	}
}

// descend is plain descent on all factors.
func (r *run) descend(lr float32) {
	for _, f := range r.m.Factors {
		for i, g := range f.GradFloats() {
			f.Floats()[i] -= lr * g
		}
	}
}

// Training with a probe and without it: the same bits.
func TestOnlyReads(t *testing.T) {
	for _, c := range []struct {
		d adapter.Delta
		r adapter.Router
	}{
		{delta.LoRA{}, nil}, {delta.DoRA{}, nil}, {delta.SVD{Orthogonality: 0.5}, nil}, {delta.VeRA{}, nil},
		{delta.HiRA{}, nil}, {delta.Full{}, nil}, {delta.LoRA{}, moe.LoRAMoE{PerLayer: 3, Balance: 0.1}},
	} {
		train := func(observe bool) []float32 {
			m := newMap(t, c.d, c.r, 32, 24, 6)
			g := &optim.Group{Name: "lin", Scaling: m.Scaling}
			for _, f := range m.Factors {
				if f.Trained {
					g.Params = append(g.Params, &optim.Param{Name: f.Name, Role: f.Name, Value: f.Variable})
				}
			}
			o := optim.New(optim.AdamW(0.01), []*optim.Group{g})
			run := newRun(m)
			p := New([]*adapter.Map{m})
			p.Dense = true
			for step := range 6 {
				run.backward()
				if observe {
					p.Before()
				}
				o.Step(0.01)
				if observe && len(p.After(step)) == 0 {
					t.Errorf("%T: nothing was reported", c.d)
				}
			}
			var all []float32
			for _, f := range m.Factors {
				all = append(all, f.Floats()...)
			}
			return append(all, m.W0()...)
		}
		if !slices.Equal(train(true), train(false)) {
			t.Errorf("%T: the probe changes what is trained", c.d)
		}
	}
}

// A step of LoRA-Pro is the best that rank r permits; one of plain descent is
// as good as the alignment says.
func TestUpdateAlignment(t *testing.T) {
	for _, pro := range []bool{false, true} {
		m := newMap(t, delta.LoRA{}, nil, 32, 24, 3)
		g := &optim.Group{Name: "lin", Scaling: m.Scaling}
		for _, f := range m.Factors {
			g.Params = append(g.Params, &optim.Param{Name: f.Name, Role: f.Name, Value: f.Variable})
		}
		var rule optim.Transform = optim.Chain{}
		if pro {
			rule = update.LoRAPro{Form: update.Gradient}.Transform(0)
		}
		o := optim.New(rule, []*optim.Group{g})
		run := newRun(m)
		run.backward()
		p := New([]*adapter.Map{m})
		p.Before()
		o.Step(0.1)
		v := values(p.After(1))
		want := 1.0
		if !pro {
			want = math.Sqrt(v["alignment"])
		}
		// The step is a difference of float32 values some 1e3 times its size.
		near(t, v, "update_alignment", want, 1e-3)
		if v["alignment"] > 0.99 {
			t.Errorf("plain descent has alignment %v: this problem tells nothing", v["alignment"])
		}
	}
}

// A run that has diverged is reported as such.
func TestNotFinite(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		for _, d := range []adapter.Delta{delta.LoRA{}, delta.Full{}} {
			m := newMap(t, d, nil, 16, 12, 3)
			run := newRun(m)
			run.backward()
			p := New([]*adapter.Map{m})
			p.Dense = true
			p.Before()
			m.Factors[0].Floats()[1] = float32(bad)
			v := values(p.After(1))
			for _, name := range []string{"sigma_1", "effective_rank", "frobenius_norm", "update_norm"} {
				if !math.IsNaN(v[name]) {
					t.Errorf("%T with a %v: %s is %v: must be NaN", d, bad, name, v[name])
				}
			}
		}
	}
}

// Every name that is reported is in the table, and every name in the table is
// reported by some map.
func TestMetrics(t *testing.T) {
	missing := map[string]bool{}
	for _, m := range Metrics() {
		missing[m.Name] = true
	}
	for _, r := range []adapter.Router{nil, moe.LoRAMoE{PerLayer: 2}} {
		m := newMap(t, delta.LoRA{}, r, 16, 12, 4)
		run := newRun(m)
		run.backward()
		p := New([]*adapter.Map{m})
		p.Before()
		run.descend(0.1)
		for _, row := range p.After(3) {
			name := strings.TrimRight(row.Name, "0123456789")
			if !strings.HasSuffix(name, "_") || name == "energy_rank_" {
				name = row.Name
			}
			if _, ok := missing[name]; !ok {
				t.Errorf("%s is not in the table", row.Name)
			}
			missing[name] = false
			if row.Step != 3 || row.Layer != "lin" {
				t.Errorf("row %+v: must be of step 3 and layer lin", row)
			}
		}
	}
	for name, m := range missing {
		if m {
			t.Errorf("%s is in the table and nothing reports it", name)
		}
	}
}

// After its first use a probe of low-rank maps of a small rank allocates
// nothing; from rank 64 on gonum shares r×r products among goroutines.
func TestAllocations(t *testing.T) {
	m := newMap(t, delta.LoRA{}, nil, 96, 64, 8)
	run := newRun(m)
	run.backward()
	p := New([]*adapter.Map{m})
	observe := func() { p.Before(); p.After(1) }
	observe()
	if n := testing.AllocsPerRun(10, observe); n > 0 {
		t.Errorf("a probed step allocates %v times", n)
	}
}

func BenchmarkProbe(b *testing.B) {
	for _, r := range []int{8, 64} {
		b.Run(fmt.Sprint("r=", r), func(b *testing.B) {
			m := newMap(&testing.T{}, delta.LoRA{}, nil, 256, 256, r)
			run := newRun(m)
			run.backward()
			p := New([]*adapter.Map{m})
			for b.Loop() {
				p.Before()
				p.After(1)
			}
		})
	}
}
