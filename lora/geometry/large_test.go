package geometry

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// Products in float32 find what those in float64 do, to the rounding of
// float32: singular values to 1e-6 of the largest, subspaces to that over the
// gap behind them, and the same intruders.
func TestLarge(t *testing.T) {
	for _, shape := range [][2]int{{160, 200}, {200, 160}} {
		rng := rand.New(rand.NewPCG(5, uint64(shape[0])))
		w, _, _, _ := graded(shape[0], shape[1], 1, rng)
		rows, cols := w.Dims()
		for i := range rows { // as a checkpoint holds it
			for j := range cols {
				w.Set(i, j, float64(float32(w.At(i, j))))
			}
		}
		p := Product{gaussian(4, shape[1], 0.05, rng), gaussian(4, shape[0], 0.05, rng), 1.5}
		find := func() (SVD, SVD, Intruders) {
			base, err := Leading(w, 20, rng)
			if err != nil {
				t.Fatal(err)
			}
			after, err := LeadingSum(w, p, 10, rng)
			if err != nil {
				t.Fatal(err)
			}
			return base, after, FindIntruders(w, base, after, 0.5)
		}
		base, after, x := find()
		large = 1
		narrowBase, narrowAfter, narrowX := find()
		large = 1 << 21
		for k, s := range base.S {
			near(t, "σ of W0", narrowBase.S[k], s, base.S[0], 1e-6)
		}
		left, right := base.First(8)
		narrowLeft, narrowRight := narrowBase.First(8)
		near(t, "left", Overlap(left, narrowLeft), 1, 1, 1e-6)
		near(t, "right", Overlap(right, narrowRight), 1, 1, 1e-6)
		for j := range after.S {
			near(t, "σ of W0 + ΔW", narrowAfter.S[j], after.S[j], after.S[0], 1e-6)
			near(t, "direction", math.Abs(mat.Dot(after.U.ColView(j), narrowAfter.U.ColView(j))), 1, 1, 1e-4)
		}
		yes, no, undecided := x.Counts()
		narrowYes, narrowNo, narrowUndecided := narrowX.Counts()
		if yes == 0 || no == 0 || yes != narrowYes || no != narrowNo || undecided != narrowUndecided {
			t.Errorf("%v: %d, %d, %d in float64, %d, %d, %d in float32", shape, yes, no, undecided, narrowYes, narrowNo, narrowUndecided)
		}
	}
}
