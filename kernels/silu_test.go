package kernels

import (
	"math"
	"testing"
)

func silu(x float64) float64 { return x / (1 + math.Exp(-x)) }

// Below -88 e^-x overflows and SiLU is -0 for values above -1e-35. The other
// bounds: exp errs by 4 units, and a sum, a quotient and a product by 1 each.
func TestSiLUMul(t *testing.T) {
	checkElements(t, elements{name: "SiLUMul", outputs: 1, inputs: 2, inPlace: [][2]int{{0, 0}, {0, 1}}, value: wide(2),
		run: func(out, in [][]float32) { SiLUMul(out[0], in[0], in[1]) },
		want: func(old, in []float64) ([]float64, []float64) {
			y := silu(in[0]) * in[1]
			if math.IsInf(in[1], 0) || math.Abs(in[1]) == math.MaxFloat32 {
				return []float64{y}, []float64{8 * unit * math.Abs(y)}
			}
			return []float64{y}, []float64{8*unit*math.Abs(y) + 1e-35*math.Abs(in[1])}
		}})
}

// 1 + g·(1-s) cancels: its error is that of its largest term.
func TestSiLUMulGrad(t *testing.T) {
	for _, acc := range []bool{false, true} {
		checkElements(t, elements{name: "SiLUMulGrad", outputs: 2, inputs: 3, value: wide(3),
			run: func(out, in [][]float32) { SiLUMulGrad(out[0], out[1], in[0], in[1], in[2], acc) },
			want: func(old, in []float64) ([]float64, []float64) {
				dy, g, u := in[0], in[1], in[2]
				if extreme(in) {
					s := sigmoid(g)
					return []float64{dy * u * s * (1 + g*(1-s)), dy * g * s}, []float64{1e-6 * math.Abs(dy*u), 1e-6 * math.Abs(dy*g)}
				}
				s := sigmoid(g)
				dg, du := dy*u*slope(silu, g), dy*silu(g)
				bg := 12*unit*math.Abs(dy*u)*s*(1+math.Abs(g)) + 1e-8*math.Abs(dy*u)
				bu := 8*unit*math.Abs(du) + 1e-35*math.Abs(dy)
				if acc {
					dg, du = dg+old[0], du+old[1]
					bg, bu = bg+unit*math.Abs(dg), bu+unit*math.Abs(du)
				}
				return []float64{dg, du}, []float64{bg, bu}
			}})
	}
}

// extreme says that central differences are of no use.
func extreme(in []float64) bool {
	for _, v := range in {
		if !(math.Abs(v) < 100) {
			return true
		}
	}
	return false
}

func BenchmarkSiLUMul(b *testing.B) {
	benchElements(b, 3, func(x [][]float32) { SiLUMul(x[0], x[1], x[2]) })
}

func BenchmarkSiLUMulGrad(b *testing.B) {
	benchElements(b, 5, func(x [][]float32) { SiLUMulGrad(x[0], x[1], x[2], x[3], x[4], false) })
}
