package kernels

import (
	"math"
	"testing"
)

func geluExact(x float64) float64 { return 0.5 * x * math.Erfc(-x/math.Sqrt2) }

func geluByTanh(x float64) float64 {
	return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
}

// Φ errs by at most 4 units of 1; so GELU by 4 units of x. In the tanh form the
// argument of exp errs by 3 units of itself, u, which weighs u·e^-u < ½ of x.
func TestGELU(t *testing.T) {
	for _, f := range []struct {
		name     string
		run      func(y, x []float32)
		grad     func(dx, dy, x []float32, acc bool)
		function func(float64) float64
	}{
		{"GELU", GELU, GELUGrad, geluExact},
		{"GELUTanh", GELUTanh, GELUTanhGrad, geluByTanh},
	} {
		checkElements(t, elements{name: f.name, outputs: 1, inputs: 1, inPlace: [][2]int{{0, 0}}, value: wide(4),
			run: func(out, in [][]float32) { f.run(out[0], in[0]) },
			want: func(old, in []float64) ([]float64, []float64) {
				return []float64{f.function(in[0])}, []float64{4 * unit * math.Abs(in[0])}
			}})
		for _, acc := range []bool{false, true} {
			inPlace := [][2]int{{0, 0}}
			if acc {
				inPlace = nil
			}
			checkElements(t, elements{name: f.name + "Grad", outputs: 1, inputs: 2, inPlace: inPlace, value: wide(5),
				run: func(out, in [][]float32) { f.grad(out[0], in[0], in[1], acc) },
				want: func(old, in []float64) ([]float64, []float64) {
					dy, x := in[0], in[1]
					if math.Abs(x) > 100 {
						return []float64{dy * max(0, math.Copysign(1, x))}, []float64{0}
					}
					if extreme(in) {
						return []float64{dy * slope(f.function, x)}, []float64{8 * unit * math.Abs(dy)}
					}
					d := dy * slope(f.function, x)
					bound := 8*unit*math.Abs(dy)*(1+math.Abs(x)) + 1e-8*math.Abs(dy)
					if acc {
						d += old[0]
						bound += unit * math.Abs(d)
					}
					return []float64{d}, []float64{bound}
				}})
		}
	}
}

// The bound above, on 2¹⁸ even steps from -12 to 12.
func TestGELUAccuracy(t *testing.T) {
	const steps = 1 << 18
	x, y := make([]float32, steps), make([]float32, steps)
	for i := range x {
		x[i] = float32(-12 + 24*float64(i)/steps)
	}
	eachLevel(t, func(t *testing.T) {
		for name, f := range map[string]struct {
			run      func(y, x []float32)
			function func(float64) float64
		}{"GELU": {GELU, geluExact}, "GELUTanh": {GELUTanh, geluByTanh}} {
			f.run(y, x)
			worst := 0.0
			for i, v := range x {
				worst = max(worst, math.Abs(float64(y[i])-f.function(float64(v)))/(unit*math.Abs(float64(v))+tiny))
			}
			t.Logf("%s: largest error %.2f·2⁻²⁴·|x|", name, worst)
			if worst > 4 {
				t.Errorf("%s errs by %.2f·2⁻²⁴·|x|, want 4 at most", name, worst)
			}
		}
	})
}

func BenchmarkGELU(b *testing.B) {
	benchElements(b, 2, func(x [][]float32) { GELU(x[0], x[1]) })
}

func BenchmarkGELUGrad(b *testing.B) {
	benchElements(b, 3, func(x [][]float32) { GELUGrad(x[0], x[1], x[2], false) })
}

func BenchmarkGELUTanh(b *testing.B) {
	benchElements(b, 2, func(x [][]float32) { GELUTanh(x[0], x[1]) })
}

func BenchmarkGELUTanhGrad(b *testing.B) {
	benchElements(b, 3, func(x [][]float32) { GELUTanhGrad(x[0], x[1], x[2], false) })
}
