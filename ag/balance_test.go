package ag_test

import (
	"math"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
)

func value(t *testing.T, f ag.Function) float32 {
	t.Helper()
	y, err := f.Forward()
	if err != nil {
		t.Fatal(err)
	}
	return ag.Floats(y)[0]
}

// Where each expert is chosen as often as any other, the loss is k, or 1 if
// every token uses every expert; where all choose one expert for sure, it is E.
func TestBalanceValues(t *testing.T) {
	const e = 4
	turns := ag.NewVariable(e, e, nil) // token i prefers experts i, i+1, i+2, …
	for i := range e {
		for j := range e {
			turns.Floats()[i*e+(i+j)%e] = -float32(j)
		}
	}
	for k, want := range map[int]float32{1: 1, 2: 2, 3: 3, e: 1} {
		if got := value(t, ag.NewBalance(turns, k)); math.Abs(float64(got-want)) > 1e-6 { // a few units of rounding
			t.Errorf("k = %d: %g at perfect balance, want %g", k, got, want)
		}
	}
	sure := ag.NewVariable(3, e, []float32{50, 0, 0, 0, 50, 0, 0, 0, 50, 0, 0, 0})
	for _, k := range []int{1, e} {
		if got := value(t, ag.NewBalance(sure, k)); got != e {
			t.Errorf("k = %d: %g at collapse, want %d", k, got, e)
		}
	}
	if got := value(t, ag.NewBalance(ag.NewVariable(0, e, nil), 2)); got != 0 {
		t.Errorf("%g for no tokens, want 0", got)
	}
}

// The gradient is that of E·Σ f_i·P_i with f held constant, by differences in
// float64, also where f is the mean gate.
func TestBalanceGradient(t *testing.T) {
	const m, e = 7, 5
	z := agtest.Random(m, e, 3)
	tape := ag.NewTape()
	if err := tape.Backward(tape.Run(ag.NewBalance(z, e))); err != nil {
		t.Fatal(err)
	}
	Z := wide(z)
	mean := func(j int) float64 { return sum(m, func(i int) float64 { return Z.softmax().at(i, j) }) / m }
	var f [e]float64
	for j := range f {
		f[j] = mean(j)
	}
	loss := func() float64 { return e * sum(e, func(j int) float64 { return f[j] * mean(j) }) }
	const h = 1e-5
	for i := range Z.x {
		saved := Z.x[i]
		Z.x[i] = saved + h
		up := loss()
		Z.x[i] = saved - h
		down := loss()
		Z.x[i] = saved
		want, got := (up-down)/(2*h), float64(z.GradFloats()[i])
		if math.Abs(got-want) > 1e-6 { // float32 rounding of terms below 1
			t.Errorf("gradient %g at entry %d, want %g", got, i, want)
		}
	}
}

// A step against the gradient takes load off the expert that has too much.
func TestBalanceDirection(t *testing.T) {
	z := ag.NewParameter(3, 3, []float32{2, 1, 0, 2, 0, 1, 2, 1, 0})
	for _, k := range []int{1, 2, 3} {
		z.ZeroGrad()
		tape := ag.NewTape()
		if err := tape.Backward(tape.Run(ag.NewBalance(z, k))); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if g := z.GradFloats()[3*i]; g <= 0 {
				t.Errorf("k = %d: the gradient of the crowded expert's logit is %g, want > 0", k, g)
			}
		}
	}
}
