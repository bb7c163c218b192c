package bench

import (
	"fmt"
	"testing"

	"github.com/lowrank/lowrank/bench/work"
)

// lowRank are d, r, m: the width of a square map, the rank and the tokens.
var lowRank = [][3]int{{128, 8, 512}, {768, 8, 512}, {768, 32, 2048}, {2048, 8, 512}}

func eachLowRank(b *testing.B, build func(d, r, m int) *work.Work) {
	for _, s := range lowRank {
		b.Run(fmt.Sprintf("d=%d/r=%d/m=%d", s[0], s[1], s[2]), func(b *testing.B) {
			atLevels(b, func(b *testing.B) { flops(b, build(s[0], s[1], s[2])) })
		})
	}
}

// BenchmarkLowRankForward is u = s·x·Aᵀ, y += u·Bᵀ alone.
func BenchmarkLowRankForward(b *testing.B) { eachLowRank(b, work.LowRankForward) }

// BenchmarkLowRankBackward is v = s·dy·B, dx += v·A, dA and dB alone.
func BenchmarkLowRankBackward(b *testing.B) { eachLowRank(b, work.LowRankBackward) }

// BenchmarkAdaptedForward is y = x·W0ᵀ + s·(x·Aᵀ)·Bᵀ in one pass.
func BenchmarkAdaptedForward(b *testing.B) { eachLowRank(b, work.AdaptedForward) }

// BenchmarkAdaptedBackward is dx, dA and dB of the same map.
func BenchmarkAdaptedBackward(b *testing.B) { eachLowRank(b, work.AdaptedBackward) }
