package kernels

import (
	"math"
	"testing"
)

// The moments round three times; the step once more for each of the root, the
// product, the sum, the quotient and the factor. What is below the normal numbers
// may be lost.
func TestAdamW(t *testing.T) {
	const lr, beta1, beta2, eps, wd = 1e-2, 0.9, 0.999, 1e-8, 0.1
	c1, c2 := 1-math.Pow(beta1, 3), 1-math.Pow(beta2, 3)
	checkElements(t, elements{name: "AdamW", outputs: 3, inputs: 1,
		run: func(out, in [][]float32) {
			for i, v := range out[2] { // v is no square's mean otherwise
				out[2][i] = v * v
			}
			AdamW(out[0], in[0], out[1], out[2], lr, beta1, beta2, eps, wd, c1, c2)
		},
		want: func(old, in []float64) ([]float64, []float64) {
			w, g, m, v := old[0], in[0], old[1], old[2]*old[2]
			size := math.Abs(m) + math.Abs(g)
			m = beta1*m + (1-beta1)*g
			v = beta2*v + (1-beta2)*g*g
			denominator := math.Sqrt(v)/math.Sqrt(c2) + eps
			w = w - lr*wd*w - lr/c1*m/denominator
			if math.IsInf(g, 0) {
				return []float64{math.NaN(), m, v}, []float64{0, 0, 0}
			}
			if g*g > math.MaxFloat32 { // v overflows in float32 alone
				return []float64{old[0] - lr*wd*old[0], m, math.Inf(1)}, []float64{4 * unit * math.Abs(old[0]), 4 * unit * size, 0}
			}
			return []float64{w, m, v}, []float64{
				4*unit*math.Abs(old[0]) + 12*unit*lr/c1*size/denominator + 0x1p-126, 4 * unit * size, 6 * unit * v}
		}})
}

func BenchmarkAdamW(b *testing.B) {
	benchElements(b, 4, func(x [][]float32) { AdamW(x[0], x[1], x[2], x[3], 1e-3, 0.9, 0.999, 1e-8, 0.01, 1, 1) })
}
