package probe

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
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
	r.tape.Replay()
	if err := r.gradients(); err != nil {
		panic(err)
	}
}

func (r *run) gradients() error {
	for _, f := range r.m.Factors {
		f.ZeroGrad()
	}
	return r.tape.Backward(r.loss)
}

// lend makes the run the probe's lab: its batch is the probe batch too.
func (r *run) lend(p *Probe) {
	p.Lab = &Lab{
		Loss: r.value(),
		Again: func() (float64, error) {
			r.tape.Replay()
			return r.value(), nil
		},
		Forward:  func() error { r.tape.Replay(); return nil },
		Backward: r.gradients,
		Halves:   [2]Half{{4, tokens / 2}, {4, tokens / 2}},
	}
}

func (r *run) value() float64 { return float64(ag.Floats(r.loss)[0]) }

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
			for step := 1; step <= 6; step++ {
				run.backward()
				if observe {
					p.Before(step)
				}
				o.Step(0.01)
				if observe && len(measured(t, p, step)) == 0 {
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
		p.Before(1)
		o.Step(0.1)
		v := measured(t, p, 1)
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
			p.Before(1)
			m.Factors[0].Floats()[1] = float32(bad)
			v := measured(t, p, 1)
			for _, name := range []string{"sigma_1", "effective_rank", "frobenius_norm", "update_norm"} {
				if !math.IsNaN(v[name]) {
					t.Errorf("%T with a %v: %s is %v: must be NaN", d, bad, name, v[name])
				}
			}
		}
	}
}

// several makes a probe of three maps, with a lab, and what does something to the
// run of each map and returns the sum of their losses.
func several(t *testing.T, router adapter.Router, offset bool) (p *Probe, each func(func(r *run)) float64) {
	var maps []*adapter.Map
	var runs []*run
	for i := range 3 {
		m := newMap(t, delta.LoRA{}, router, 16, 12+i, 4)
		m.Name = fmt.Sprintf("layers.%d.lin", i/2)
		if offset {
			m.Offset()
		}
		maps, runs = append(maps, m), append(runs, newRun(m))
	}
	p = New(maps)
	p.Ranks = func() []int { return []int{3, 4, 5} }
	each = func(f func(r *run)) (loss float64) {
		for _, r := range runs {
			f(r)
			loss += r.value()
		}
		return loss
	}
	p.Lab = &Lab{
		Again:      func() (float64, error) { return each(func(r *run) { r.tape.Replay() }), nil },
		Forward:    func() error { each(func(r *run) { r.tape.Replay() }); return nil },
		Backward:   func() (err error) { each(func(r *run) { err = errors.Join(err, r.gradients()) }); return err },
		Forgetting: func() (Forgetting, error) { return Forgetting{3, 2, 0.5}, nil },
		Ray:        func(t float64) (float64, error) { return 2 - t, nil },
		Halves:     [2]Half{{4, tokens / 2}, {4, tokens / 2}},
	}
	return p, each
}

// Every name that is reported is in the table, and every name in the table is
// reported of some map.
func TestMetrics(t *testing.T) {
	missing := map[string]bool{}
	for _, m := range Metrics() {
		missing[m.Name] = true
	}
	check := func(step int, rows []Row) {
		for _, row := range rows {
			name := row.Name
			if _, ok := missing[name]; !ok {
				name = strings.TrimRight(name, "0123456789")
			}
			if _, ok := missing[name]; !ok {
				t.Errorf("%s is not in the table", row.Name)
			}
			missing[name] = false
			if row.Step != step || math.IsNaN(row.Value) {
				t.Errorf("row %+v: must be of step %d and a number", row, step)
			}
		}
	}
	for _, c := range []struct {
		router adapter.Router
		offset bool
	}{{}, {offset: true}, {router: moe.LoRAMoE{PerLayer: 2}}} {
		p, each := several(t, c.router, c.offset)
		for step := range 3 {
			if step > 0 {
				p.Lab.Loss = each((*run).backward)
				p.Before(step)
				each(func(r *run) { r.descend(0.1) })
			}
			rows, err := p.After(step, All)
			if err != nil {
				t.Fatal(err)
			}
			check(step, rows)
		}
		for _, r := range p.Undefined() {
			if r.Why == "" || strings.Contains(r.Why, "\n") {
				t.Errorf("%s of %s is undefined for the reason %q: must be a line", r.Name, r.Layer, r.Why)
			}
		}
	}
	for name, m := range missing {
		if m {
			t.Errorf("%s is in the table and nothing reports it", name)
		}
	}
}

// Maps are measured side by side: the rows are the same, bit for bit and in the
// same order, on any number of threads, also of maps whose gates change in the lab.
func TestThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	defer kernels.SetThreads(0)
	rows := func(threads int) (all []Row) {
		kernels.SetThreads(threads)
		for _, c := range []struct {
			router adapter.Router
			offset bool
		}{{}, {offset: true}, {router: moe.LoRAMoE{PerLayer: 2}}} {
			p, each := several(t, c.router, c.offset)
			for step := range 4 {
				if step > 0 {
					p.Lab.Loss = each((*run).backward)
					p.Before(step)
					each(func(r *run) { r.descend(0.1) })
				}
				measured, err := p.After(step, All)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, measured...)
			}
		}
		return all
	}
	want := rows(1)
	for _, threads := range []int{2, 3, 4} {
		for i, row := range rows(threads) {
			if row != want[i] {
				t.Fatalf("on %d threads row %d is %+v, on one %+v", threads, i, row, want[i])
			}
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
	observe := func() { p.Before(1); p.After(1, Tier0|Tier1) }
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
				p.Before(1)
				p.After(1, Tier0|Tier1)
			}
		})
	}
}
