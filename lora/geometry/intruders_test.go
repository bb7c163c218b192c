package geometry

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// An update whose one direction is spread over all of W0's is an intruder of
// known energy; one along a direction of W0's is none.
func TestPlantedIntruders(t *testing.T) {
	for _, shape := range [][2]int{{64, 96}, {140, 140}, {160, 120}} {
		rng := rand.New(rand.NewPCG(4, uint64(shape[0])))
		w, u, v, s := graded(shape[0], shape[1], 1, rng)
		p := min(shape[0], shape[1])
		direction := func(m *mat.Dense, spread bool) []float32 {
			n, _ := m.Dims()
			x := make([]float32, n)
			for i := range n {
				if !spread {
					x[i] = float32(m.At(i, p/2))
					continue
				}
				for k := range p {
					x[i] += float32(m.At(i, k) / math.Sqrt(float64(p)))
				}
			}
			return x
		}
		for _, spread := range []bool{true, false} {
			d := Product{Rows{N: 1, Dim: shape[1], Data: direction(v, spread)}, Rows{N: 1, Dim: shape[0], Data: direction(u, spread)}, 5 * s[0]}
			var full mat.Dense
			full.Add(w, whole(d))
			wantU, wantS, _ := svd(&full)
			cos := multiply(wantU.T(), u)
			for _, known := range []int{p, 30} {
				base := SVD{}
				if known > 0 {
					var err error
					if base, err = Leading(w, known, rng); err != nil {
						t.Fatal(err)
					}
				}
				after, err := LeadingSum(w, d, 10, rng)
				if err != nil {
					t.Fatal(err)
				}
				x := FindIntruders(w, base, after, 0.5)
				yes, no, undecided := x.Counts()
				if yes+no+undecided != 10 {
					t.Fatalf("%d, %d and %d: must be 10 together", yes, no, undecided)
				}
				want, energy, all := 0, 0.0, 0.0
				for j := range 10 {
					largest := 0.0
					for i := range p {
						largest = max(largest, math.Abs(cos.At(j, i)))
					}
					near(t, "σ", x.S[j], wantS[j], wantS[0], 1e-12)
					if x.Low[j] > largest+1e-8 || x.High[j] < largest-1e-8 {
						t.Errorf("%v, %d known: cosine %d is %v: must be in %v … %v", shape, known, j, largest, x.Low[j], x.High[j])
					}
					if known == p {
						near(t, "cosine", x.Low[j], largest, 1, 1e-8) // of vectors that gaps of 1e-3 tell apart
					}
					all += wantS[j]
					if largest < 0.5 {
						want++
						energy += wantS[j]
					}
				}
				if spread != (want > 0) {
					t.Fatalf("%v, spread %v: the reference has %d intruders", shape, spread, want)
				}
				if yes > want || want > yes+undecided {
					t.Errorf("%v, %d known: %d intruders, %d undecided: must be %d", shape, known, yes, undecided, want)
				}
				if known == p && (undecided > 0 || math.Abs(x.Energy()-energy/all) > 1e-9) {
					t.Errorf("%v: %d undecided, energy %v: must be 0 and %v", shape, undecided, x.Energy(), energy/all)
				}
				// Products alone show the planted intruder, where there are
				// enough directions.
				if known > 0 && p > 64 && spread && yes != want {
					t.Errorf("%v, %d known: %d intruders, %d undecided: must be %d and 0", shape, known, yes, undecided, want)
				}
			}
		}
	}
}

// The bound holds, and is tight for a vector that has one large weight.
func TestSpread(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	w, u, _, _ := graded(300, 300, 0.5, rng)
	for _, weight := range []float64{0, 0.3, 0.7} {
		x, _ := QR(gaussianDense(300, 1, rng))
		x.Scale(math.Sqrt(1-weight*weight), x)
		for i := range 300 {
			x.Set(i, 0, x.At(i, 0)+weight*u.At(i, 150))
		}
		x.Scale(1/mat.Norm(x, 2), x)
		largest := 0.0
		for k := range 300 {
			largest = max(largest, math.Abs(mat.Dot(u.ColView(k), x.ColView(0))))
		}
		got := spread(w, x, 0)
		if got < largest-1e-9 || got > largest+0.25 {
			t.Errorf("weight %v: bound %v of %v", weight, got, largest)
		}
		if early := spread(w, x, 0.5); largest >= 0.5 && early < 0.5 {
			t.Errorf("weight %v: bound %v below %v", weight, early, largest)
		}
	}
}

// What may be either counts neither as an intruder nor with its energy.
func TestCounts(t *testing.T) {
	x := Intruders{Low: []float64{0.9, 0.1, 0.2}, High: []float64{0.9, 0.3, 0.7}, S: []float64{5, 3, 2}, Epsilon: 0.5}
	if yes, no, undecided := x.Counts(); yes != 1 || no != 1 || undecided != 1 || x.Energy() != 0.3 {
		t.Errorf("%d, %d, %d, energy %v: must be 1 each and 0.3", yes, no, undecided, x.Energy())
	}
}
