package ag_test

import (
	"math"
	"testing"

	"github.com/lowrank/lowrank/ag"
)

// Losses read their constants anew in each replay.
func TestTargets(t *testing.T) {
	x := ag.NewParameter(1, 2, []float32{1, -3})
	c := []float32{0, 1}
	tape := ag.NewTape()
	square := tape.Run(ag.NewMeanSquare(x, c))
	entropy := tape.Run(ag.NewBinaryCrossEntropy(x, c))
	mean := tape.Run(ag.NewWeightedMean(x, c))
	copy(c, []float32{1, 0.5})
	tape.Replay()
	softplus := func(z float64) float64 { return math.Log1p(math.Exp(z)) }
	for _, l := range []struct {
		name string
		got  ag.Tensor
		want float64
	}{
		{"MeanSquare", square, 3.5 * 3.5 / 2},
		{"BinaryCrossEntropy", entropy, (softplus(-1) + (softplus(3)+softplus(-3))/2) / 2},
		{"WeightedMean", mean, (1 - 1.5) / 2},
	} {
		if d := float64(ag.Floats(l.got)[0]) - l.want; math.Abs(d) > 1e-6 {
			t.Errorf("%s is %g, want %g", l.name, ag.Floats(l.got)[0], l.want)
		}
	}
	c[1] = 2
	err := ag.Guard(tape.Replay)
	if want := "ag: BinaryCrossEntropy: target 2 of row 0, column 1: targets must be in [0, 1]"; err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
}

// Logits beyond the range of exp give no infinities.
func TestBinaryCrossEntropyExtremes(t *testing.T) {
	z := ag.NewParameter(1, 4, []float32{-1000, 1000, -1000, 1000})
	tape := ag.NewTape()
	loss := tape.Run(ag.NewBinaryCrossEntropy(z, []float32{0, 1, 1, 0}))
	if err := tape.Backward(loss); err != nil {
		t.Fatal(err)
	}
	if ag.Floats(loss)[0] != 500 {
		t.Errorf("the loss is %g, want 500", ag.Floats(loss)[0])
	}
	for i, want := range []float32{0, 0, -0.25, 0.25} {
		if got := z.GradFloats()[i]; got != want {
			t.Errorf("the gradient is %g at logit %d, want %g", got, i, want)
		}
	}
}

// Far from zero the activations are x or 0, and not NaN.
func TestActivationExtremes(t *testing.T) {
	for name, build := range map[string]func(ag.Tensor) ag.Function{
		"SiLU":      func(x ag.Tensor) ag.Function { return ag.NewSiLU(x) },
		"QuickGELU": func(x ag.Tensor) ag.Function { return ag.NewQuickGELU(x) },
		"GELUTanh":  func(x ag.Tensor) ag.Function { return ag.NewGELUTanh(x) },
		"ReLU":      func(x ag.Tensor) ag.Function { return ag.NewReLU(x) },
	} {
		x := ag.NewParameter(1, 2, []float32{-1000, 1000})
		tape := ag.NewTape()
		y := tape.Run(build(x))
		if err := tape.Backward(tape.Run(ag.NewWeightedMean(y, []float32{2, 2}))); err != nil {
			t.Fatal(err)
		}
		if got := ag.Floats(y); got[0] != 0 || got[1] != 1000 {
			t.Errorf("%s of -1000 and 1000 is %v", name, got)
		}
		if got := x.GradFloats(); got[0] != 0 || got[1] != 1 {
			t.Errorf("the gradient of %s at -1000 and 1000 is %v", name, got)
		}
	}
}
