package kernels

import (
	"math"
	"slices"
	"testing"
)

// ulps is the distance of got from want in units of the last place of want.
func ulps(got float32, want float64) float64 {
	if math.IsNaN(want) || math.IsInf(float64(float32(want)), 0) {
		if math.Float32bits(got) == math.Float32bits(float32(want)) || math.IsNaN(want) && got != got {
			return 0
		}
		return math.Inf(1)
	}
	_, e := math.Frexp(want)
	return math.Abs(float64(got)-want) / math.Ldexp(1, max(e-24, -149))
}

// Every exponent with 512 mantissas and both signs, and 2¹⁹ even steps over the
// range where the result is neither 0 nor +Inf, and over the one where odd functions
// bend.
func TestAccuracy(t *testing.T) {
	var x []float32
	for e := range uint32(256) {
		for m := range uint32(512) {
			bits := e<<23 | m*16411&(1<<23-1)
			x = append(x, math.Float32frombits(bits), math.Float32frombits(bits|1<<31))
		}
	}
	const steps = 1 << 19
	for i := range steps {
		x = append(x, float32(-105+195*float64(i)/steps), float32(-10+20*float64(i)/steps))
	}
	for _, edge := range []float32{88.72283, 88.722839, 88.72284, -87.33654, -87.33655, -103.97207, -103.97208, -103.9721, 0.61, 0.927734375} {
		x = append(x, edge, math.Nextafter32(edge, 1000), math.Nextafter32(edge, -1000))
	}
	for _, f := range []struct {
		name     string
		run      func(y, x []float32)
		function func(float64) float64
	}{{"Exp", Exp, math.Exp}, {"Tanh", Tanh, math.Tanh}, {"Erf", Erf, math.Erf}} {
		want := make([]float64, len(x))
		for i, v := range x {
			want[i] = f.function(float64(v))
		}
		eachLevel(t, func(t *testing.T) {
			y := make([]float32, len(x))
			f.run(y, x)
			worst, at := 0.0, float32(0)
			for i, v := range x {
				if d := ulps(y[i], want[i]); d > worst {
					worst, at = d, v
				}
			}
			t.Logf("%s: largest error %.3f ulp at %v (%#x)", f.name, worst, at, math.Float32bits(at))
			if worst > 2 {
				t.Errorf("%s(%v) errs by %g ulp, want 2 at most", f.name, at, worst)
			}
		})
	}
}

func TestOddFunctions(t *testing.T) {
	for _, f := range []struct {
		name     string
		run      func(y, x []float32)
		function func(float64) float64
	}{{"Tanh", Tanh, math.Tanh}, {"Erf", Erf, math.Erf}} {
		checkElements(t, elements{name: f.name, outputs: 1, inputs: 1, inPlace: [][2]int{{0, 0}}, value: wide(1),
			run: func(out, in [][]float32) { f.run(out[0], in[0]) },
			want: func(old, in []float64) ([]float64, []float64) {
				y := f.function(in[0])
				return []float64{y}, []float64{4 * unit * math.Abs(y)}
			}})
	}
}

func TestExp(t *testing.T) {
	checkElements(t, elements{name: "Exp", outputs: 1, inputs: 1, inPlace: [][2]int{{0, 0}}, value: wide(1),
		run: func(out, in [][]float32) { Exp(out[0], in[0]) },
		want: func(old, in []float64) ([]float64, []float64) {
			e := math.Exp(in[0])
			return []float64{e}, []float64{4 * unit * e}
		}})
}

func BenchmarkExp(b *testing.B) {
	benchElements(b, 2, func(x [][]float32) { Exp(x[0], x[1]) })
}

// 2^x to 2 units in the last place, which are 2^-23 of it at most, where that is a normal
// number, 0 below, and 1 at 0; its sum is of float32 numbers up to three at a time.
func TestExp2(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		x := make([]float32, 5003)
		for i := range x {
			x[i] = -float32(i) / 39.7
		}
		x[5001], x[5002] = float32(math.Inf(-1)), -1e30
		y, p, d := make([]float32, len(x)), slices.Clone(x), make([]float32, len(x))
		for i := range d {
			d[i] = 2
		}
		total, want := exp2Sum(y, x, 0), 0.0
		scoreGrad(p, d, 0, 1)
		for i, v := range x {
			e := math.Exp2(float64(v))
			want += e
			if diff := math.Abs(float64(y[i]) - e); diff > 2*0x1p-23*e+0x1p-126 || p[i] != y[i] || d[i] != y[i] {
				t.Fatalf("2^%g is %g, %g in its gradient with the slope %g, want %g", v, y[i], p[i], d[i], e)
			}
		}
		if y[0] != 1 || y[5001] != 0 || y[5002] != 0 {
			t.Errorf("2^0, 2^-Inf and 2^-1e30 are %g, %g and %g", y[0], y[5001], y[5002])
		}
		if math.Abs(total-want) > 4*unit*want {
			t.Errorf("the sum is %g, want %g", total, want)
		}
	})
}
