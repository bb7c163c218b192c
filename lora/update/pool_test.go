package update

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/nn/optim"
)

// Clipping is at the norm of what all adapters move by together, s·P_B·G and
// s·G·P_A: it is as if the full gradients had been so much smaller.
func TestClip(t *testing.T) {
	const most = 3.0
	rite := LoRARITE{Beta1: 0.9, Beta2: 0.999, Eps: 1e-6, EscapedMass: true}
	loft := LoFT{Beta1: 0.9, Beta2: 0.999, Eps: 0.01}
	clippedRITE, clippedLoFT := rite, loft
	clippedRITE.Clip, clippedLoFT.Clip = most, most
	for _, c := range []struct{ clipped, plain optim.Transform }{
		{clippedRITE.Transform(0.1), rite.Transform(0.1)}, {clippedLoFT.Transform(0.1), loft.Transform(0.1)},
	} {
		problems := func() []*problem {
			return []*problem{newProblem(24, 17, 4, "random", 3), newProblem(12, 9, 2, "zero", 4)}
		}
		clipped, scaledDown := problems(), problems()
		groups := func(ps []*problem) []*optim.Group {
			a, b := ps[0].group(), ps[1].group()
			b.Name, b.Params[0].Name, b.Params[1].Name = "other", "other.A", "other.B"
			return []*optim.Group{a, b}
		}
		left, right := groups(clipped), groups(scaledDown)
		ours, theirs := optim.New(c.clipped, left), optim.New(c.plain, right)
		for step := range 6 {
			size := 1.0
			if step == 2 || step == 5 {
				size = 1e-3 // below the bound: as it is
			}
			squares := 0.0
			for i, p := range clipped {
				p.g = scaled(size, newProblem(24-12*i, 17-8*i, 4-2*i, "random", uint64(10*step+i)).g)
				p.backward(left[i])
				for _, x := range []*mat.Dense{mul(projector(p.b), p.g), mul(p.g, projector(p.a.T()))} {
					squares += p.s * p.s * inner(x, x)
				}
			}
			factor := math.Min(1, most/math.Sqrt(squares))
			if clips := factor < 1; clips != (size == 1) {
				t.Fatalf("step %d: the norm is %v", step, math.Sqrt(squares))
			}
			for i, p := range scaledDown {
				p.g = scaled(factor, clipped[i].g)
				p.backward(right[i])
			}
			ours.Step(0.05)
			theirs.Step(0.05)
			for i := range left {
				a, b := updates(left[i])
				wantA, wantB := updates(right[i])
				// Adaptive rules divide small float32 gradients by small moments.
				for _, x := range [][2]*mat.Dense{{a, wantA}, {b, wantB}} {
					if d := mat.Norm(sum(x[0], scaled(-1, x[1])), 2); !(d <= 2e-3*mat.Norm(x[1], 2)) {
						t.Errorf("step %d, map %d: an update is off by %.3g of %.3g", step+1, i, d, mat.Norm(x[1], 2))
					}
				}
			}
		}
	}
	if (LoRARITE{Eps: 1, Clip: -1}).Check() == nil || (LoFT{Eps: 1, Clip: math.NaN()}).Check() == nil {
		t.Error("a clip of -1 or NaN is accepted")
	}
}
