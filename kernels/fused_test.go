package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// scaleRows against scale a row: equal, with nothing between the rows touched.
func TestScaleRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = rng.Float32() - 0.5
		}
		return x
	}
	eachLevel(t, func(t *testing.T) {
		for n := 1; n <= 70; n++ {
			for _, step := range []int{0, 1, 3} {
				const rows, gap = 5, 3
				x, factors := random(rows*(n+gap)), random(rows*3)
				y := random(rows * (n + 2*gap))
				want := slices.Clone(y)
				for i := range rows {
					scaleGeneric(want[i*(n+2*gap):][:n], factors[i*step], x[i*(n+gap):][:n])
				}
				scaleRows(y[:n], n+2*gap, x[:n], n+gap, factors, step, rows)
				if !slices.Equal(y, want) {
					t.Errorf("%d columns, factors %d apart: %v, want %v", n, step, y, want)
				}
			}
		}
	})
}

// The fused loops against their plain Go, which the tests of what they serve hold
// to the definitions: to a few units of the terms, on all lengths up to some
// vectors and between canaries.
func TestFused(t *testing.T) {
	const scale, shift, slope, level = float32(0.7), float32(-0.3), float32(1.3), float32(0.2)
	loops := []struct {
		name    string
		outputs []int // of the four slices
		generic func(x [][]float32) []float64
		active  func(x [][]float32) []float64
	}{
		{"expSum", []int{0},
			func(x [][]float32) []float64 { return []float64{expSumGeneric(x[0], x[1], shift)} },
			func(x [][]float32) []float64 { return []float64{expSum(x[0], x[1], shift)} }},
		{"scoreGrad", []int{0, 1},
			func(x [][]float32) []float64 { scoreGradGeneric(x[0], x[1], shift, scale); return nil },
			func(x [][]float32) []float64 { scoreGrad(x[0], x[1], shift, scale); return nil }},
		{"moments", nil,
			func(x [][]float32) []float64 { a, b := momentsGeneric(x[0]); return []float64{a, b} },
			func(x [][]float32) []float64 { a, b := moments(x[0]); return []float64{a, b} }},
		{"affine", []int{0},
			func(x [][]float32) []float64 { affineGeneric(x[0], x[1], x[2], x[3], shift, scale); return nil },
			func(x [][]float32) []float64 { affine(x[0], x[1], x[2], x[3], shift, scale); return nil }},
		{"normSums", nil,
			func(x [][]float32) []float64 {
				a, b := normSumsGeneric(x[0], x[1], x[2], shift)
				return []float64{a, b}
			},
			func(x [][]float32) []float64 { a, b := normSums(x[0], x[1], x[2], shift); return []float64{a, b} }},
		{"normInput", []int{0},
			func(x [][]float32) []float64 {
				normInputGeneric(x[0], x[1], x[2], x[3], scale, shift, slope, level, false)
				return nil
			},
			func(x [][]float32) []float64 {
				normInput(x[0], x[1], x[2], x[3], scale, shift, slope, level, false)
				return nil
			}},
		{"normInput acc", []int{0},
			func(x [][]float32) []float64 {
				normInputGeneric(x[0], x[1], x[2], x[3], scale, shift, slope, level, true)
				return nil
			},
			func(x [][]float32) []float64 {
				normInput(x[0], x[1], x[2], x[3], scale, shift, slope, level, true)
				return nil
			}},
		{"softmaxInput", []int{0},
			func(x [][]float32) []float64 { softmaxInputGeneric(x[0], x[1], x[2], scale, false); return nil },
			func(x [][]float32) []float64 { softmaxInput(x[0], x[1], x[2], scale, false); return nil }},
		{"softmaxInput acc", []int{0},
			func(x [][]float32) []float64 { softmaxInputGeneric(x[0], x[1], x[2], scale, true); return nil },
			func(x [][]float32) []float64 { softmaxInput(x[0], x[1], x[2], scale, true); return nil }},
	}
	eachLevel(t, func(t *testing.T) {
		for _, loop := range loops {
			for n := range 150 {
				draw := func() (gs []*guarded, x [][]float32) {
					for i := range 4 {
						g := newGuarded(fmt.Sprint("slice ", i), 1, n, n, normal(uint64(i)))
						gs, x = append(gs, g), append(x, g.x)
					}
					return gs, x
				}
				_, wantX := draw()
				gs, gotX := draw()
				want, got := loop.generic(wantX), loop.active(gotX)
				for i := range want {
					// Terms are below 60, sums of float32 in vectors of some units.
					if !(math.Abs(got[i]-want[i]) <= 4*unit*60*float64(n+1)) {
						t.Fatalf("%s: n=%d: result %d is %v, want %v", loop.name, n, i, got[i], want[i])
					}
				}
				for i, g := range gs {
					if err := g.check(!slices.Contains(loop.outputs, i)); err != nil {
						t.Fatalf("%s: n=%d: %v", loop.name, n, err)
					}
					for j, v := range gotX[i] {
						if w := float64(wantX[i][j]); !(math.Abs(float64(v)-w) <= 16*unit*(10+math.Abs(w))) {
							t.Fatalf("%s: n=%d: slice %d[%d] = %v, want %v", loop.name, n, i, j, v, w)
						}
					}
				}
			}
		}
	})
}
