package geometry

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// A rotation by known angles is measured back, however small or near π/2.
func TestPlantedAngles(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	p, _ := QR(gaussianDense(64, 5, rng))
	want := []float64{1e-9, 1e-4, 0.3, 1.2, math.Pi/2 - 1e-9}
	mixed := multiply(turned(p, want, rng), first(mustQR(gaussianDense(5, 5, rng)), 5)) // another basis
	for _, pair := range [][2]*mat.Dense{{p, mixed}, {mixed, p}} {
		got, err := Angles(pair[0], pair[1])
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range got {
			near(t, "angle", a, want[i], 1, 1e-14)
		}
		near(t, "geodesic", Geodesic(got), Geodesic(want), 1, 1e-13)
		var projections mat.Dense
		projections.Sub(multiply(p, p.T()), multiply(mixed, mixed.T()))
		near(t, "chordal", Chordal(got)*math.Sqrt2, mat.Norm(&projections, 2), 1, 1e-13)
		cos := 0.0
		for _, a := range want {
			cos += math.Cos(a) * math.Cos(a) / 5
		}
		near(t, "overlap", Overlap(pair[0], pair[1]), cos, 1, 1e-13)
	}
}

func mustQR(m *mat.Dense) *mat.Dense { q, _ := QR(m); return q }

// Subspaces of different dimensions, from rows that are no basis.
func TestSpan(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	x := gaussian(4, 32, 1, rng)
	copy(x.Row(3), x.Row(0))
	p, err := Span(x)
	if err != nil {
		t.Fatal(err)
	}
	if _, k := p.Dims(); k != 3 {
		t.Fatalf("dimension %d: must be 3", k)
	}
	orthonormal(t, "PᵀP", p)
	y := gaussian(6, 32, 1, rng)
	copy(y.Row(5), x.Row(1))
	q, err := Span(y)
	if err != nil {
		t.Fatal(err)
	}
	angles, err := Angles(q, p)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "the common direction", angles[0], 0, 1, 1e-7)
	_, cos, _ := svd(multiply(p.T(), q))
	for i, a := range angles {
		near(t, "cosine", math.Cos(a), cos[i], 1, 1e-12)
	}
	squares := 0.0
	for _, c := range cos {
		squares += c * c / 3 // of the smaller subspace
	}
	near(t, "overlap of unequal subspaces", Overlap(p, q), squares, 1, 1e-12)
	near(t, "overlap of unequal subspaces", Overlap(q, p), squares, 1, 1e-12)
	if !slices.IsSorted(angles) || len(angles) != 3 {
		t.Errorf("angles %v: must be 3 in ascending order", angles)
	}
	none, err := Span(Rows{N: 2, Dim: 32, Data: make([]float32, 64)})
	if err != nil || none != nil {
		t.Errorf("rows of zeros span %v, %v", none, err)
	}
	if a, err := Angles(none, p); a != nil || err != nil || !math.IsNaN(Overlap(p, none)) {
		t.Errorf("there are angles to nothing: %v, %v, overlap %v", a, err, Overlap(p, none))
	}
}

func TestInner(t *testing.T) {
	forEach(t, func(t *testing.T, p Product, rng *rand.Rand) {
		q := Product{gaussian(5, p.A.Dim, 1, rng), gaussian(5, p.Bt.Dim, 1, rng), -0.3}
		w, v := whole(p), whole(q)
		scale := mat.Norm(w, 2) * mat.Norm(v, 2)
		inner := mat.Trace(multiply(w.T(), v))
		near(t, "inner product", Inner(p, q), inner, scale, 1e-12)
		var minus mat.Dense
		minus.Sub(w, v)
		for _, d := range []struct {
			what string
			a, b Product
			want float64
		}{{"‖p − q‖", p, q, mat.Norm(&minus, 2)}, {"‖q − p‖", q, p, mat.Norm(&minus, 2)}, {"‖p − p‖", p, p, 0}} {
			near(t, d.what, d.a.Minus(d.b).Norm(), d.want, mat.Norm(w, 2)+mat.Norm(v, 2), 1e-6) // a scaling in float32
		}
		dp, err := p.SVD()
		if err != nil {
			t.Fatal(err)
		}
		dq, _ := q.SVD()
		if scale == 0 {
			if !math.IsNaN(Cosine(p, q)) || !math.IsNaN(Interference(dp, dq)) || !math.IsNaN(Interference(dq, dp)) || !math.IsNaN(Amplification(dp, v)) {
				t.Error("an update of zeros has a direction")
			}
			return
		}
		near(t, "cosine", Cosine(p, q), inner/scale, 1, 1e-12)
		near(t, "cosine with itself", Cosine(p, p), 1, 1, 1e-12)
		u, s, vq := svd(v)
		_, k := 0, 0
		for ; k < len(s) && s[k] > 1e-6*s[0]; k++ {
		}
		u, vq = mat.DenseCopyOf(first(u, k)), mat.DenseCopyOf(first(vq, k))
		near(t, "interference", Interference(dp, dq), mat.Norm(multiply(u.T(), multiply(w, vq)), 2)/mat.Norm(w, 2), 1, 1e-10)
		near(t, "interference with itself", Interference(dp, dp), 1, 1, 1e-10)
		near(t, "amplification", Amplification(dq, w), mat.Norm(v, 2)/mat.Norm(multiply(u.T(), multiply(w, vq)), 2), mat.Norm(v, 2)/mat.Norm(multiply(u.T(), multiply(w, vq)), 2), 1e-9)
	})
}

// Checkpoints that differ by a thousandth of a rounding have a path between
// them.
func TestMinusOfNear(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 3))
	p := Product{gaussian(4, 40, 1, rng), gaussian(4, 50, 1e-4, rng), 2}
	q := Product{Rows{N: 4, Dim: 40, Data: slices.Clone(p.A.Data)}, Rows{N: 4, Dim: 50, Data: slices.Clone(p.Bt.Data)}, 2}
	q.A.Data[3] = math.Nextafter32(q.A.Data[3], 9)
	var d mat.Dense
	d.Sub(whole(p), whole(q))
	want := mat.Norm(&d, 2)
	near(t, "‖p − q‖", p.Minus(q).Norm(), want, want, 1e-6)
}
