package bench

import (
	"fmt"
	"testing"

	"github.com/lowrank/lowrank/kernels"
)

// lowRank are d, r, m: the width of a square map, the rank and the tokens.
var lowRank = [][3]int{{128, 8, 512}, {768, 8, 512}, {768, 32, 2048}, {2048, 8, 512}}

func eachLowRank(b *testing.B, body func(b *testing.B, d, r, m int)) {
	for _, s := range lowRank {
		b.Run(fmt.Sprintf("d=%d/r=%d/m=%d", s[0], s[1], s[2]), func(b *testing.B) {
			atLevels(b, func(b *testing.B) { body(b, s[0], s[1], s[2]) })
		})
	}
}

// BenchmarkAdaptedForward is y = x·W0ᵀ + s·(x·Aᵀ)·Bᵀ in one pass.
func BenchmarkAdaptedForward(b *testing.B) {
	eachLowRank(b, func(b *testing.B, d, r, m int) {
		x, w, f, g, u, y := random(m*d), random(d*d), random(r*d), random(d*r), make([]float32, m*r), make([]float32, m*d)
		p := kernels.Pack(kernels.NT, d, d, w, d)
		for b.Loop() {
			kernels.LowRankForward(m, r, x, d, p, f, d, g, r, 2, u, r, y, d)
		}
		flops(b, 2*float64(m)*float64(d)*float64(d+2*r))
	})
}

// BenchmarkAdaptedBackward is dx, dA and dB of the same map.
func BenchmarkAdaptedBackward(b *testing.B) {
	eachLowRank(b, func(b *testing.B, d, r, m int) {
		x, w, f, g, u := random(m*d), random(d*d), random(r*d), random(d*r), random(m*r)
		dy, v, dx, da, db := random(m*d), make([]float32, m*r), make([]float32, m*d), make([]float32, r*d), make([]float32, d*r)
		p := kernels.Pack(kernels.NN, d, d, w, d)
		for b.Loop() {
			kernels.LowRankInputGrad(false, m, r, dy, d, p, f, d, g, r, 2, v, r, dx, d)
			kernels.LowRankFactorGrads(false, m, r, d, d, x, d, dy, d, u, r, v, r, da, d, db, r)
		}
		flops(b, 2*float64(m)*float64(d)*float64(d+4*r))
	})
}

// BenchmarkLowRankFactorGrads is dA = vᵀ·x and dB = dyᵀ·u alone.
func BenchmarkLowRankFactorGrads(b *testing.B) {
	eachLowRank(b, func(b *testing.B, d, r, m int) {
		x, dy, u, v, da, db := random(m*d), random(m*d), random(m*r), random(m*r), make([]float32, r*d), make([]float32, d*r)
		for b.Loop() {
			kernels.LowRankFactorGrads(false, m, r, d, d, x, d, dy, d, u, r, v, r, da, d, db, r)
		}
		flops(b, 4*float64(m)*float64(d)*float64(r))
	})
}
