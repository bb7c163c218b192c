package geometry

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

func TestSVD(t *testing.T) {
	forEach(t, func(t *testing.T, p Product, _ *rand.Rand) {
		d, err := p.SVD()
		if err != nil {
			t.Fatal(err)
		}
		w := whole(p)
		_, want, _ := svd(w)
		top := max(want[0], math.SmallestNonzeroFloat64)
		var spectrum Spectrum
		grams := spectrum.Of(p)
		if n := min(p.A.N, p.A.Dim, p.Bt.Dim); len(d.S) != n || len(grams) != n {
			t.Fatalf("%d and %d singular values: must be %d", len(d.S), len(grams), n)
		}
		for k, s := range d.S {
			near(t, "σ", s, want[k], top, 1e-12)          // backward stable
			near(t, "σ by Grams", grams[k], s, top, 2e-8) // roots of what is known to 1e-16
		}
		orthonormal(t, "UᵀU", d.U)
		orthonormal(t, "VᵀV", d.V)
		again := mat.DenseCopyOf(d.U)
		for k, s := range d.S {
			scaleColumn(again, k, s)
		}
		again = multiply(again, d.V.T())
		for i, v := range again.RawMatrix().Data {
			near(t, "U·S·Vᵀ", v, w.RawMatrix().Data[i], top, 1e-12)
		}
		near(t, "‖ΔW‖", p.Norm(), mat.Norm(w, 2), mat.Norm(w, 2), 1e-7) // products of float32 summed in float64; s in float64
		s := Summarize(d.S)
		if want[0] == 0 {
			if s != (Summary{}) || d.Rank() != 0 {
				t.Errorf("an update of zeros has the summary %+v and rank %d", s, d.Rank())
			}
			return
		}
		if !(1 <= s.StableRank && s.StableRank <= s.ParticipationRatio*(1+1e-12) && s.ParticipationRatio <= float64(len(d.S))*(1+1e-12) && s.EffectiveRank <= float64(len(d.S))*(1+1e-12)) {
			t.Errorf("not 1 ≤ stable ≤ participation ≤ rank: %+v", s)
		}
	})
}

// A planted spectrum is measured back, in value and in direction.
func TestPlantedSpectrum(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	u, _ := QR(gaussianDense(96, 4, rng))
	v, _ := QR(gaussianDense(64, 4, rng))
	want := []float64{8, 4, 2, 1}
	p := Product{Rows{N: 4, Dim: 64, Data: make([]float32, 4*64)}, Rows{N: 4, Dim: 96, Data: make([]float32, 4*96)}, 2}
	for k := range 4 {
		for i := range 64 {
			p.A.Row(k)[i] = float32(v.At(i, k))
		}
		for i := range 96 {
			p.Bt.Row(k)[i] = float32(want[k] / 2 * u.At(i, k))
		}
	}
	d, err := p.SVD()
	if err != nil {
		t.Fatal(err)
	}
	for k, s := range d.S {
		near(t, "σ", s, want[k], want[k], 1e-6) // float32 factors
	}
	for k := range 4 {
		near(t, "<u, û>", math.Abs(mat.Dot(u.ColView(k), d.U.ColView(k))), 1, 1, 1e-6)
		near(t, "<v, v̂>", math.Abs(mat.Dot(v.ColView(k), d.V.ColView(k))), 1, 1, 1e-6)
	}
	s := Summarize(d.S)
	near(t, "nuclear norm", s.Nuclear, 15, 15, 1e-6)
	near(t, "stable rank", s.StableRank, 85.0/64, 1, 1e-6)
	near(t, "participation ratio", s.ParticipationRatio, 85.0*85/(4096+256+16+1), 1, 1e-5)
	near(t, "energy rank", s.EnergyRank95, 3, 1, 0) // 80 of 85 are 94.1 %
}

func TestNotFinite(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		p := Product{gaussian(3, 12, 1, rng), gaussian(3, 16, 1, rng), 1}
		p.Bt.Data[7] = float32(bad)
		if _, err := p.SVD(); err == nil {
			t.Errorf("%v has singular vectors", bad)
		}
		if _, err := Span(p.Bt); err == nil {
			t.Errorf("%v has a span", bad)
		}
		if _, err := Dense(p.Bt.Data, 3, 16); err == nil {
			t.Errorf("%v is a weight", bad)
		}
		if _, err := LeadingSum(gaussianDense(16, 12, rng), p, 3, rng); err == nil {
			t.Errorf("%v has leading directions", bad)
		}
		var s Spectrum
		if !math.IsNaN(s.Of(p)[0]) {
			t.Errorf("%v has a spectrum", bad)
		}
	}
}

func TestCondition(t *testing.T) {
	forEach(t, func(t *testing.T, p Product, _ *rand.Rand) {
		_, s, _ := svd(wide(p.A))
		var w Spectrum
		got := w.Condition(p.A.N, Gram(p.A))
		if want := s[0] / s[p.A.N-1]; want < 1e4 {
			near(t, "condition", got, want, want, 1e-6) // its square, of float64
		} else if !math.IsInf(got, 1) {
			t.Errorf("condition is %v: must be infinite", got)
		}
		var b, d mat.Dense
		b.Mul(wide(p.Bt), wide(p.Bt).T())
		d.Mul(wide(p.A), wide(p.A).T())
		d.Sub(&b, &d)
		near(t, "balance", Balance(Gram(p.A), Gram(p.Bt)), mat.Norm(&d, 2), mat.Norm(&b, 2)+mat.Norm(&d, 2), 1e-12)
	})
}
