package bench

import (
	"testing"

	"github.com/lowrank/lowrank/bench/work"
)

func eachLength(b *testing.B, build func(length, heads, dim int) *work.Work) {
	for _, length := range []int{128, 512, 2048} {
		b.Run("heads=8/dim=64/length="+itoa(length), func(b *testing.B) {
			atLevels(b, func(b *testing.B) { flops(b, build(length, 8, 64)) })
		})
	}
}

// BenchmarkAttentionForward is causal attention of one sequence.
func BenchmarkAttentionForward(b *testing.B) { eachLength(b, work.AttentionForward) }

// BenchmarkAttentionBackward is its gradients.
func BenchmarkAttentionBackward(b *testing.B) { eachLength(b, work.AttentionBackward) }
