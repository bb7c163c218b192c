package probe

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
)

// values are those of the one map.
func values(rows []Row) map[string]float64 {
	v := map[string]float64{}
	for _, r := range rows {
		if !strings.Contains(r.Layer, "*") {
			v[r.Name] = r.Value
		}
	}
	return v
}

// measured returns what the probe has of a step, in all tiers.
func measured(t *testing.T, p *Probe, step int) map[string]float64 {
	t.Helper()
	rows, err := p.After(step, All)
	if err != nil {
		t.Fatal(err)
	}
	return values(rows)
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

// singular values; gonum's decomposition panics on what is very small, so the
// largest entry is made 1 first.
func singular(m mat.Matrix) []float64 {
	size := max(mat.Max(m), -mat.Min(m))
	if size == 0 {
		rows, cols := m.Dims()
		return make([]float64, min(rows, cols))
	}
	d := mat.DenseCopyOf(m)
	d.Scale(1/size, d)
	var svd mat.SVD
	svd.Factorize(d, mat.SVDNone)
	sigma := svd.Values(nil)
	floats.Scale(size, sigma)
	return sigma
}

func effectiveRank(m mat.Matrix) float64 {
	sigma := singular(m)
	var entropy float64
	for _, s := range sigma {
		if p := s / floats.Sum(sigma); p > 1e-9 {
			entropy -= p * math.Log(p)
		}
	}
	if sigma[0] == 0 {
		return 0
	}
	return math.Exp(entropy)
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
	size := sigma[0]
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
	if sigma[0] == 0 {
		for _, name := range []string{"effective_rank", "stable_rank", "participation_ratio", "energy_rank_90", "energy_rank_95", "energy_rank_99", "numerical_rank", "percent_rank", "rank_usage"} {
			near(t, v, name, 0, 0)
		}
		return
	}
	var entropy, energy, k90, k95, k99, percent float64
	for _, s := range sigma {
		if s > 1e-12*sigma[0] {
			entropy -= s / s1 * math.Log(s/s1)
		}
		for share, k := range map[float64]*float64{0.9: &k90, 0.95: &k95, 0.99: &k99} {
			if energy < share*s2 {
				*k++
			}
		}
		energy += s * s
		if s > sigma[0]/100 {
			percent++
		}
	}
	near(t, v, "energy_rank_90", k90, 0)
	near(t, v, "energy_rank_95", k95, 0)
	near(t, v, "energy_rank_99", k99, 0)
	if _, low := v["rank_usage"]; low {
		near(t, v, "energy_usage", k95/float64(r), 1e-12)
	}
	near(t, v, "percent_rank", percent, 0)
	near(t, v, "effective_rank", math.Exp(entropy), 1e-4)
	near(t, v, "stable_rank", s2/(sigma[0]*sigma[0]), 1e-5)
	near(t, v, "participation_ratio", s2*s2/s4, 1e-5)
	if v["stable_rank"] > v["participation_ratio"]+1e-9 || v["stable_rank"] < 1 {
		t.Errorf("stable rank %v, participation ratio %v: must be in 1 ≤ s ≤ p", v["stable_rank"], v["participation_ratio"])
	}
}

var starts = []string{"random", "zero", "duplicated", "offset", "tiny", "huge", "folded", "followed"}

// start changes the factors of a map with a pair.
func start(m *adapter.Map, how string) {
	if m.Factor("B") == nil {
		return
	}
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
	case "folded":
		m.Fold(m.Pair())
	case "followed":
		m.Follow(2)
	case "tiny":
		kernels.Scale(1e-9, b)
	case "huge":
		kernels.Scale(1e4, b)
	}
}

func TestAgainstDense(t *testing.T) {
	for _, size := range [][2]int{{32, 24}, {96, 64}} {
		for _, r := range []int{1, 3, 8, size[1]} {
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
	start := product(s, factor(m, "B"), factor(m, "A"))
	gap := minus(product(1, factor(m, "B").T(), factor(m, "B")), product(1, factor(m, "A"), factor(m, "A").T()))
	taken := product(1, start)
	if a, _ := m.Start(); a == nil {
		taken.Scale(-float64(len(m.Folded())), taken)
	}
	times := 1 + float64(m.Followed())
	begun := len(m.Folded()) > 0 || times != 1
	train := newRun(m)
	p := New([]*adapter.Map{m})
	var path float64
	var last *mat.Dense
	for step := 1; step <= 3; step++ {
		train.backward()
		if off, ok := GradientMismatch(m); !ok || off > 1e-5 {
			t.Errorf("gA·Aᵀ and Bᵀ·gB differ by %v (applies: %v)", off, ok)
		}
		a, b := factor(m, "A"), factor(m, "B")
		ga := dense(m.Rank, m.In, m.Factor("A").GradFloats())
		gb := dense(m.Out, m.Rank, m.Factor("B").GradFloats())
		p.Before(step)
		train.descend(0.5)
		rows, err := p.After(step, Tier0|Tier1)
		if err != nil {
			t.Fatal(err)
		}
		v := values(rows)
		a1, b1 := factor(m, "A"), factor(m, "B")

		net := minus(product(times*s, b1, a1), taken)
		checkSpectrum(t, v, net, m.Rank)
		update := minus(product(times*s, b1, a1), product(times*s, b, a))
		near(t, v, "update_norm", mat.Norm(update, 2), 1e-6*mat.Norm(update, 2))
		w0 := mat.Norm(dense(m.Out, m.In, m.W0()), 2)
		near(t, v, "relative_update_norm", mat.Norm(update, 2)/w0, 1e-6*mat.Norm(update, 2)/w0)

		if before := mat.Norm(minus(product(times*s, b, a), taken), 2); before > 0 {
			near(t, v, "update_share", mat.Norm(update, 2)/before, 1e-5*mat.Norm(update, 2)/before)
		} else {
			absent(t, v, "update_share")
		}
		sigma := singular(update)
		for i := range min(2*m.Rank, len(sigma)) {
			near(t, v, fmt.Sprint("update_sigma_", i+1), sigma[i], 1e-6*sigma[0])
		}
		near(t, v, "update_effective_rank", effectiveRank(update), 1e-4)
		path += mat.Norm(update, 2)
		shift := mat.Norm(minus(product(s, b1, a1), start), 2)
		near(t, v, "path_length", path, 1e-6*path)
		if begun {
			absent(t, v, "displacement", "path_efficiency")
		} else {
			near(t, v, "displacement", shift, 1e-6*path)
			near(t, v, "path_efficiency", shift/path, 1e-5)
		}
		if last != nil {
			cos := mat.Dot(vector(update), vector(last)) / (mat.Norm(update, 2) * mat.Norm(last, 2))
			near(t, v, "update_cosine", cos, 1e-5)
		}
		last = update

		near(t, v, "norm_a", mat.Norm(a1, 2), 1e-6*mat.Norm(a1, 2))
		near(t, v, "norm_b", mat.Norm(b1, 2), 1e-6*mat.Norm(b1, 2))
		near(t, v, "grad_norm_a", mat.Norm(ga, 2), 1e-6*mat.Norm(ga, 2))
		near(t, v, "grad_norm_b", mat.Norm(gb, 2), 1e-6*mat.Norm(gb, 2))
		da, db := minus(a1, a), minus(b1, b)
		near(t, v, "step_norm_a", mat.Norm(da, 2), 1e-6*mat.Norm(da, 2))
		near(t, v, "step_norm_b", mat.Norm(db, 2), 1e-6*mat.Norm(db, 2))
		near(t, v, "relative_step_a", mat.Norm(da, 2)/mat.Norm(a, 2), 1e-6*mat.Norm(da, 2)/mat.Norm(a, 2))
		if size := mat.Norm(b, 2); size > 0 {
			near(t, v, "relative_step_b", mat.Norm(db, 2)/size, 1e-6*mat.Norm(db, 2)/size)
		}
		for k := range m.Rank {
			want := s * mat.Norm(b1.ColView(k), 2) * mat.Norm(a1.RowView(k), 2)
			near(t, v, fmt.Sprint("component_", k+1), want, 1e-6*want)
		}
		gapNow := minus(product(1, b1.T(), b1), product(1, a1, a1.T()))
		near(t, v, "balance", mat.Norm(gapNow, 2), 1e-6*mat.Norm(gapNow, 2))
		near(t, v, "balance_drift", mat.Norm(minus(gapNow, gap), 2), 1e-6*mat.Norm(gapNow, 2))
		near(t, v, "gradient_effective_rank_a", effectiveRank(ga), 1e-3)
		near(t, v, "gradient_effective_rank_b", effectiveRank(gb), 1e-3)
		near(t, v, "sharpness_proxy_a", s*singular(b1)[0], 1e-6*s*singular(b1)[0])
		sigma = singular(a1)
		near(t, v, "sharpness_proxy_b", s*sigma[0], 1e-6*s*sigma[0])
		if cond := sigma[0] / sigma[m.Rank-1]; cond < 1e4 { // of float32 factors there is no more to be known
			near(t, v, "condition_a", cond, 1e-3*cond)
		}
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
	inner := mat.Dot(vector(ga), vector(ga)) + mat.Dot(vector(gb), vector(gb))
	near(t, v, "gradient_inner", inner, 1e-6*inner)
	near(t, v, "best_step_scale", inner/mat.Dot(vector(g), vector(g)), 1e-5*inner/mat.Dot(vector(g), vector(g)))

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
	lower := -mat.Dot(vector(da), vector(ga)) - mat.Dot(vector(db), vector(gb))
	if lower > v["predicted_decrease"]*(1+1e-5) { // DoRA's magnitude adds to it
		t.Errorf("predicted_decrease is %v: A and B alone predict %v", v["predicted_decrease"], lower)
	}
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
	v := measured(t, p, 0)
	checkSpectrum(t, v, mat.NewDense(32, 24, nil), 3)
	m.Factor("A").Floats()[5] += 1e-5
	m.Factor("B").Floats()[7] += 1e-5
	s := float64(m.Scaling)
	want := mat.Norm(minus(product(s, factor(m, "B"), factor(m, "A")), product(s, b0, a0)), 2)
	if got := measured(t, p, 1)["frobenius_norm"]; math.Abs(got-want) > 1e-6*want {
		t.Errorf("the net change is %v: must be %v", got, want)
	}
}
