package probe

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

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

func values(rows []Row) map[string]float64 {
	v := map[string]float64{}
	for _, r := range rows {
		v[r.Name] = r.Value
	}
	return v
}

func dense(rows, cols int, f []float32) *mat.Dense {
	d := mat.NewDense(rows, cols, nil)
	for i, v := range f {
		d.Set(i/cols, i%cols, float64(v))
	}
	return d
}

func factor(m *adapter.Map, name string) *mat.Dense {
	f := m.Factor(name)
	return dense(f.Rows(), f.Cols(), f.Floats())
}

func product(s float64, m ...mat.Matrix) *mat.Dense {
	d := mat.DenseCopyOf(m[0])
	for _, x := range m[1:] {
		var t mat.Dense
		t.Mul(d, x)
		d = &t
	}
	d.Scale(s, d)
	return d
}

func plus(a, b mat.Matrix) *mat.Dense { var d mat.Dense; d.Add(a, b); return &d }

func minus(a, b mat.Matrix) *mat.Dense { var d mat.Dense; d.Sub(a, b); return &d }

func singular(m mat.Matrix) []float64 {
	var svd mat.SVD
	svd.Factorize(m, mat.SVDNone)
	return svd.Values(nil)
}

// near compares with an absolute error of tolerance times scale.
func near(t *testing.T, v map[string]float64, name string, want, tolerance float64) {
	t.Helper()
	got, ok := v[name]
	if !ok || !(math.Abs(got-want) <= tolerance || got == want) {
		t.Errorf("%s is %v (reported: %v): must be %v", name, got, ok, want)
	}
}

// checkSpectrum compares everything that follows from the spectrum of ΔW with
// its dense SVD. Singular values come from eigenvalues of their squares, in
// float64: below 1e-8 of the largest there is nothing, and float32 factors
// are subtracted with 6e-8.
func checkSpectrum(t *testing.T, v map[string]float64, delta mat.Matrix, r int) {
	t.Helper()
	sigma := singular(delta)
	size := max(sigma[0], 1e-30)
	for i := range r {
		want := 0.0
		if i < len(sigma) {
			want = sigma[i]
		}
		near(t, v, fmt.Sprint("sigma_", i+1), want, 1e-6*size)
	}
	var s1, s2, s4 float64
	for _, s := range sigma {
		s1, s2, s4 = s1+s, s2+s*s, s4+s*s*s*s
	}
	near(t, v, "frobenius_norm", math.Sqrt(s2), 1e-6*size)
	near(t, v, "spectral_norm", sigma[0], 1e-6*size)
	near(t, v, "nuclear_norm", s1, 1e-5*size)
	if sigma[0] < 1e-12 {
		for _, name := range []string{"effective_rank", "stable_rank", "participation_ratio", "energy_rank_95"} {
			near(t, v, name, 0, 0)
		}
		return
	}
	var entropy float64
	for _, s := range sigma {
		if s > 1e-12*sigma[0] {
			entropy -= s / s1 * math.Log(s/s1)
		}
	}
	near(t, v, "effective_rank", math.Exp(entropy), 1e-4)
	near(t, v, "stable_rank", s2/(sigma[0]*sigma[0]), 1e-5)
	near(t, v, "participation_ratio", s2*s2/s4, 1e-5)
	if v["stable_rank"] > v["participation_ratio"]+1e-9 || v["stable_rank"] < 1 {
		t.Errorf("stable rank %v, participation ratio %v: must be in 1 ≤ s ≤ p", v["stable_rank"], v["participation_ratio"])
	}
}

var starts = []string{"random", "zero", "duplicated", "offset"}

// start changes the factors of a map with a pair.
func start(m *adapter.Map, how string) {
	b := m.Factor("B").Floats()
	switch how {
	case "zero":
		clear(b)
	case "duplicated":
		for i := range m.Out {
			b[i*m.Rank+min(1, m.Rank-1)] = b[i*m.Rank]
		}
	case "offset":
		m.Offset()
	}
}

func TestAgainstDense(t *testing.T) {
	for _, size := range [][2]int{{32, 24}, {96, 64}} {
		for _, r := range []int{1, 3, 8} {
			for _, how := range starts {
				for _, d := range []adapter.Delta{delta.LoRA{}, delta.DoRA{}} {
					t.Run(fmt.Sprintf("%T/%dx%d/r=%d/%s", d, size[0], size[1], r, how), func(t *testing.T) {
						m := newMap(t, d, nil, size[0], size[1], r)
						start(m, how)
						testPair(t, m)
					})
				}
			}
		}
	}
}

// testPair takes two steps of a map whose form is s·B·A of its factors.
func testPair(t *testing.T, m *adapter.Map) {
	s := float64(m.Scaling)
	a0, b0 := factor(m, "A"), factor(m, "B")
	if a, _ := m.Start(); a == nil {
		b0.Zero()
	}
	train := newRun(m)
	p := New([]*adapter.Map{m})
	for step := 1; step <= 2; step++ {
		train.backward()
		if off, ok := GradientMismatch(m); !ok || off > 1e-5 {
			t.Errorf("gA·Aᵀ and Bᵀ·gB differ by %v (applies: %v)", off, ok)
		}
		a, b := factor(m, "A"), factor(m, "B")
		ga := dense(m.Rank, m.In, m.Factor("A").GradFloats())
		gb := dense(m.Out, m.Rank, m.Factor("B").GradFloats())
		p.Before()
		train.descend(0.5)
		v := values(p.After(step))
		a1, b1 := factor(m, "A"), factor(m, "B")

		checkSpectrum(t, v, minus(product(s, b1, a1), product(s, b0, a0)), m.Rank)
		update := minus(product(s, b1, a1), product(s, b, a))
		near(t, v, "update_norm", mat.Norm(update, 2), 1e-6*mat.Norm(update, 2))
		near(t, v, "relative_update_norm", mat.Norm(update, 2)/mat.Norm(dense(m.Out, m.In, m.W0), 2), 1e-6)

		near(t, v, "norm_a", mat.Norm(a1, 2), 1e-5)
		near(t, v, "norm_b", mat.Norm(b1, 2), 1e-5)
		near(t, v, "grad_norm_a", mat.Norm(ga, 2), 1e-6)
		near(t, v, "grad_norm_b", mat.Norm(gb, 2), 1e-6)
		near(t, v, "balance", mat.Norm(minus(product(1, b1.T(), b1), product(1, a1, a1.T())), 2), 1e-4)
		sigma := singular(a1)
		near(t, v, "condition_a", sigma[0]/sigma[m.Rank-1], 1e-3)
		if sigma := singular(b1); sigma[m.Rank-1] > 1e-4*sigma[0] {
			near(t, v, "condition_b", sigma[0]/sigma[m.Rank-1], 1e-3*sigma[0]/sigma[m.Rank-1])
		}
		checkGradient(t, v, s, a, b, ga, gb, minus(a1, a), minus(b1, b))
	}
	for name, x := range values(p.rows) {
		if math.IsNaN(x) {
			t.Errorf("%s is NaN", name)
		}
	}
}

// checkGradient compares with dense matrices. Of G there is what gA and gB
// tell: its part in the tangent space, P_B·G + (I−P_B)·G·P_A, with
// P_B·G = (Bᵀ)⁺·gA/s and G·P_A = gB·(Aᵀ)⁺/s.
func checkGradient(t *testing.T, v map[string]float64, s float64, a, b, ga, gb, da, db *mat.Dense) {
	t.Helper()
	g := product(s, plus(product(1, b, ga), product(1, gb, a)))
	near(t, v, "equivalent_gradient_norm", mat.Norm(g, 2), 1e-5*mat.Norm(g, 2))

	pinvB, pinvA := pseudoInverse(b), pseudoInverse(a)
	left := product(1/s, pinvB.T(), ga)
	right := product(1/s, gb, pinvA.T())
	right.Sub(right, product(1, b, pinvB, right))
	tangent := plus(left, right)
	norm := mat.Norm(tangent, 2)
	// A gradient of relative error 1e-7, divided by singular values of down to
	// a hundredth of the largest.
	near(t, v, "captured_gradient_norm", norm, 1e-4*norm)
	cos := mat.Dot(vector(g), vector(tangent)) / (mat.Norm(g, 2) * norm)
	near(t, v, "alignment", cos*cos, 1e-4)
	step := product(s, plus(product(1, b, da), product(1, db, a)))
	near(t, v, "update_alignment", -mat.Dot(vector(step), vector(tangent))/(mat.Norm(step, 2)*norm), 1e-4)
}

func vector(m *mat.Dense) *mat.VecDense {
	d := mat.DenseCopyOf(m).RawMatrix().Data
	return mat.NewVecDense(len(d), d)
}

func pseudoInverse(m mat.Matrix) *mat.Dense {
	rows, cols := m.Dims()
	p := mat.NewDense(cols, rows, nil)
	var svd mat.SVD
	svd.Factorize(m, mat.SVDThin)
	var u, w mat.Dense
	svd.UTo(&u)
	svd.VTo(&w)
	sigma := svd.Values(nil)
	for k, s := range sigma {
		if s > 1e-5*sigma[0] {
			p.RankOne(p, 1/s, w.ColView(k), u.ColView(k))
		}
	}
	return p
}

// At the very start of an offset base ΔW is exactly zero, and just after it is
// not lost in what was subtracted.
func TestSmallNetChange(t *testing.T) {
	m := newMap(t, delta.LoRA{}, nil, 32, 24, 3)
	m.Offset()
	a0, b0 := factor(m, "A"), factor(m, "B")
	newRun(m)
	p := New([]*adapter.Map{m})
	v := values(p.After(0))
	checkSpectrum(t, v, mat.NewDense(32, 24, nil), 3)
	m.Factor("A").Floats()[5] += 1e-5
	m.Factor("B").Floats()[7] += 1e-5
	s := float64(m.Scaling)
	want := mat.Norm(minus(product(s, factor(m, "B"), factor(m, "A")), product(s, b0, a0)), 2)
	if got := values(p.After(1))["frobenius_norm"]; math.Abs(got-want) > 1e-6*want {
		t.Errorf("the net change is %v: must be %v", got, want)
	}
}

// absent fails where one of the names is reported.
func absent(t *testing.T, v map[string]float64, names ...string) {
	t.Helper()
	for name := range v {
		for _, not := range names {
			if strings.HasPrefix(name, not) {
				t.Errorf("%s is reported", name)
			}
		}
	}
}

var ofGradient = []string{"equivalent_gradient_norm", "captured_gradient_norm", "alignment", "update_alignment"}

// Forms that are more than their factors: values of after the step, and no
// equivalent gradient.
func TestScaledForms(t *testing.T) {
	diagonal := func(m *adapter.Map, name string) mat.Matrix {
		var d []float64
		for _, v := range m.Factor(name).Floats() {
			d = append(d, float64(v))
		}
		return mat.NewDiagDense(len(d), d)
	}
	for _, c := range []struct {
		d     adapter.Delta
		delta func(m *adapter.Map) *mat.Dense
	}{
		{delta.SVD{Orthogonality: 0.5}, func(m *adapter.Map) *mat.Dense {
			return product(float64(m.Scaling), factor(m, "B"), diagonal(m, "E"), factor(m, "A"))
		}},
		{delta.VeRA{}, func(m *adapter.Map) *mat.Dense {
			return product(1, diagonal(m, "b"), factor(m, "B"), diagonal(m, "d"), factor(m, "A"))
		}},
	} {
		m := newMap(t, c.d, nil, 32, 24, 3)
		train := newRun(m)
		p := New([]*adapter.Map{m})
		for step := range 2 {
			train.backward()
			before := c.delta(m)
			p.Before()
			train.descend(0.1)
			v := values(p.After(step))
			checkSpectrum(t, v, c.delta(m), 3)
			update := mat.Norm(minus(c.delta(m), before), 2)
			near(t, v, "update_norm", update, 1e-5*update)
			absent(t, v, ofGradient...)
			if _, ok := GradientMismatch(m); ok {
				t.Errorf("%T: gA·Aᵀ = Bᵀ·gB is said to hold", c.d)
			}
		}
	}
}

func TestDenseForms(t *testing.T) {
	for _, d := range []adapter.Delta{delta.HiRA{}, delta.Full{}} {
		m := newMap(t, d, nil, 32, 24, 3)
		weight := func() *mat.Dense {
			f, err := m.Freestanding()
			if err != nil {
				t.Fatal(err)
			}
			return dense(32, 24, ag.Floats(f.W))
		}
		train := newRun(m)
		for _, asked := range []bool{false, true} {
			p := New([]*adapter.Map{m})
			p.Dense = asked
			train.backward()
			before := weight()
			p.Before()
			train.descend(0.1)
			v := values(p.After(1))
			absent(t, v, append(ofGradient, "rank_usage", "load")...)
			if m.Factor("A") != nil {
				near(t, v, "norm_a", mat.Norm(factor(m, "A"), 2), 1e-5)
			}
			if !asked {
				absent(t, v, "sigma", "effective", "update")
				continue
			}
			checkSpectrum(t, v, minus(weight(), dense(32, 24, m.W0)), 3)
			update := mat.Norm(minus(weight(), before), 2)
			near(t, v, "update_norm", update, 1e-4*update)
		}
	}
}

// With a frozen A what is known of the equivalent gradient is s·gB·A.
func TestFrozenA(t *testing.T) {
	m := newMap(t, delta.LoRA{}, nil, 32, 24, 3)
	m.Freeze("A")
	train := newRun(m)
	train.backward()
	p := New([]*adapter.Map{m})
	p.Before()
	gb := dense(32, 3, m.Factor("B").GradFloats())
	a := factor(m, "A")
	train.descend(0.1)
	v := values(p.After(1))
	near(t, v, "equivalent_gradient_norm", mat.Norm(product(float64(m.Scaling), gb, a), 2), 1e-5)
	absent(t, v, "captured_gradient_norm", "alignment", "update_alignment", "grad_norm_a", "condition_a", "balance")
}

// The change of a gated map's weight is the mean over the tokens.
func TestRouted(t *testing.T) {
	for _, r := range []adapter.Router{moe.LoRAMoE{PerLayer: 3, Balance: 0.1}, moe.MoLA{PerLayer: 3, TopK: 2, Balance: 0.1}} {
		m := newMap(t, delta.LoRA{}, r, 32, 24, 6)
		train := newRun(m)
		train.backward()
		p := New([]*adapter.Map{m})
		p.Before()
		before := factor(m, "B")
		a := factor(m, "A")
		train.descend(0.1)
		v := values(p.After(1))
		mean := mat.NewDiagDense(6, nil)
		var sum float64
		for e := range 3 {
			load := v[fmt.Sprint("load_", e+1)]
			sum += load
			mean.SetDiag(2*e, load)
			mean.SetDiag(2*e+1, load)
		}
		if math.Abs(sum-1) > 1e-5 || v["load_1"] == v["load_2"] {
			t.Errorf("%T: loads %v, %v, %v: must be different with sum 1", r, v["load_1"], v["load_2"], v["load_3"])
		}
		s := float64(m.Scaling)
		after := product(s, factor(m, "B"), mean, factor(m, "A"))
		checkSpectrum(t, v, after, 6)
		update := mat.Norm(minus(after, product(s, before, mean, a)), 2)
		near(t, v, "update_norm", update, 1e-5*update)
		absent(t, v, ofGradient...)
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
			return append(all, m.W0...)
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
