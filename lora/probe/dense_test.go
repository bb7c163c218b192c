package probe

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
)

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
		near(t, v, "relative_update_norm", mat.Norm(update, 2)/mat.Norm(dense(m.Out, m.In, m.W0()), 2), 1e-6)

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
