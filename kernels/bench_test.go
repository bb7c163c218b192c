package kernels

import (
	"fmt"
	"testing"
)

// BenchmarkFMAPeak measures what one core can reach: the 100 % of the others.
func BenchmarkFMAPeak(b *testing.B) {
	eachLevelBench(b, func(b *testing.B) {
		var flops float64
		for b.Loop() {
			flops += FMAPeak(10000)
		}
		reportFlops(b, flops)
	})
}

func reportFlops(b *testing.B, flops float64) {
	b.ReportMetric(flops/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkMatMul measures squares, a layer's products and the thin products of
// low-rank adaptation.
func BenchmarkMatMul(b *testing.B) {
	for _, test := range []struct {
		name string
		op   Op
		productCase
	}{
		{"small", NN, productCase{m: 7, n: 7, k: 7}},
		{"small", NT, productCase{m: 7, n: 7, k: 7}},
		{"square", NN, productCase{m: 64, n: 64, k: 64}},
		{"square", NN, productCase{m: 128, n: 128, k: 128}},
		{"square", NN, productCase{m: 512, n: 512, k: 512}},
		{"square", NT, productCase{m: 512, n: 512, k: 512}},
		{"square", TN, productCase{m: 512, n: 512, k: 512}},
		{"layer", NT, productCase{m: 512, n: 2048, k: 2048}},
		{"x·Aᵀ", NT, productCase{m: 512, n: 8, k: 2048}},
		{"dy·B", NN, productCase{m: 512, n: 8, k: 2048}},
		{"u·Bᵀ", NT, productCase{m: 512, n: 2048, k: 8}},
		{"vᵀ·x", TN, productCase{m: 8, n: 2048, k: 512}},
		{"dyᵀ·u", TN, productCase{m: 2048, n: 8, k: 512}},
		{"x·Aᵀ", NT, productCase{m: 512, n: 64, k: 2048}},
		{"vᵀ·x", TN, productCase{m: 64, n: 2048, k: 512}},
		{"vᵀ·x", TN, productCase{m: 16, n: 2048, k: 2048}},
		{"dyᵀ·u", TN, productCase{m: 2048, n: 16, k: 2048}},
		{"few", NT, productCase{m: 4, n: 512, k: 512}},
		{"one", NT, productCase{m: 1, n: 2048, k: 2048}},
	} {
		b.Run(fmt.Sprintf("%s/%v/%dx%dx%d", test.name, test.op, test.m, test.n, test.k), func(b *testing.B) {
			eachLevelBench(b, func(b *testing.B) {
				o := newOperands(test.productCase, test.op, 0, normal(1))
				flops := 0
				for b.Loop() {
					o.matMul(false)
					flops += 2 * o.m * o.n * o.k
				}
				reportFlops(b, float64(flops))
			})
		})
	}
}

// BenchmarkPacked measures a layer with its weight packed, alone, with the
// low-rank term in the same pass, and packing itself in elements a nanosecond.
func BenchmarkPacked(b *testing.B) {
	for _, c := range []productCase{{512, 512, 512, 8}, {512, 2048, 2048, 8}, {8, 2048, 2048, 8}, {1, 2048, 2048, 8}} {
		eachLevelBench(b, func(b *testing.B) {
			o := newOperands(c, NT, 0, normal(1))
			p := Pack(NT, c.k, c.n, o.b.x, o.b.ld)
			run := func(name string, r int, f func()) {
				b.Run(fmt.Sprintf("%s/%dx%dx%d", name, c.m, c.n, c.k), func(b *testing.B) {
					flops := 0
					for b.Loop() {
						f()
						flops += 2 * c.m * c.n * (c.k + r)
					}
					reportFlops(b, float64(flops))
				})
			}
			run("plain", 0, func() { MatMulPacked(false, c.m, o.a.x, o.a.ld, p, o.c.x, o.c.ld) })
			run("plus", c.r, func() {
				MatMulPackedPlus(false, c.m, o.a.x, o.a.ld, p, NT, c.r, o.u.x, o.u.ld, o.q.x, o.q.ld, o.c.x, o.c.ld)
			})
			run("forward", 2*c.r, func() {
				LowRankForward(c.m, c.r, o.a.x, o.a.ld, p, o.b.x, o.b.ld, o.q.x, o.q.ld, 2, o.u.x, o.u.ld, nil, o.c.x, o.c.ld)
			})
			for _, op := range []Op{NN, NT} {
				b.Run(fmt.Sprintf("pack/%v/%dx%d", op, c.k, c.n), func(b *testing.B) {
					for b.Loop() {
						p.Repack(op, o.b.x, c.n) // k = n, so either op fits
					}
					b.ReportMetric(float64(c.k*c.n*b.N)/float64(b.Elapsed().Nanoseconds()), "elements/ns")
				})
			}
		})
	}
}

func benchAttention(b *testing.B, flops float64, run func(c *attentionCase)) {
	for _, tokens := range []int{128, 256, 512, 1024, 2048} {
		b.Run(fmt.Sprintf("heads=8/dim=64/tokens=%d", tokens), func(b *testing.B) {
			c := attentionCase{batch: 1, tokens: tokens, heads: 8, kvHeads: 8, dim: 64, mask: causal}.draw()
			c.forward()
			eachLevelBench(b, func(b *testing.B) {
				for b.Loop() {
					run(c)
				}
				reportFlops(b, flops*float64(b.N)*float64(c.heads*c.dim*tokens*(tokens+1)/2))
			})
		})
	}
}

func BenchmarkAttention(b *testing.B) { benchAttention(b, 4, (*attentionCase).forward) }

func BenchmarkAttentionGrad(b *testing.B) {
	benchAttention(b, 10, func(c *attentionCase) { c.backward(false) })
}
