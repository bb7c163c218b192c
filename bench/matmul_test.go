package bench

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"

	"github.com/nlpodyssey/spago/mat"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"

	"github.com/lowrank/lowrank/kernels"
)

func itoa(n int) string { return strconv.Itoa(n) }

func random(n int) []float32 {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// products are m, n, k: the shapes of square products and of a linear map.
var products = [][3]int{{512, 512, 512}, {1024, 1024, 1024}, {2048, 768, 768}, {512, 128, 128}, {512, 344, 128}}

// BenchmarkMatMul is y = x·Wᵀ, packing counted.
func BenchmarkMatMul(b *testing.B) {
	for _, s := range products {
		b.Run(fmt.Sprintf("m=%d/n=%d/k=%d", s[0], s[1], s[2]), func(b *testing.B) {
			m, n, k := s[0], s[1], s[2]
			x, w, y := random(m*k), random(n*k), make([]float32, m*n)
			atLevels(b, func(b *testing.B) {
				for b.Loop() {
					kernels.MatMul(kernels.NT, false, m, n, k, x, k, w, k, y, n)
				}
				flops(b, 2*float64(m)*float64(n)*float64(k))
			})
		})
	}
}

// BenchmarkMatMulPacked is the same with a weight that never changes.
func BenchmarkMatMulPacked(b *testing.B) {
	for _, s := range products {
		b.Run(fmt.Sprintf("m=%d/n=%d/k=%d", s[0], s[1], s[2]), func(b *testing.B) {
			m, n, k := s[0], s[1], s[2]
			x, w, y := random(m*k), random(n*k), make([]float32, m*n)
			atLevels(b, func(b *testing.B) {
				p := kernels.Pack(kernels.NT, k, n, w, k)
				for b.Loop() {
					kernels.MatMulPacked(false, m, x, k, p, y, n)
				}
				flops(b, 2*float64(m)*float64(n)*float64(k))
			})
		})
	}
}

// BenchmarkPeers is what a Go program would use instead, on one core: gonum's
// Sgemm and spago's Mul.
func BenchmarkPeers(b *testing.B) {
	const n = 512
	x, w, y := random(n*n), random(n*n), make([]float32, n*n)
	b.Run("peer=gonum/m=512/n=512/k=512/threads=1", func(b *testing.B) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		for b.Loop() {
			gonum.Implementation{}.Sgemm(blas.NoTrans, blas.Trans, n, n, n, 1, x, n, w, n, 0, y, n)
		}
		flops(b, 2*n*n*n)
	})
	b.Run("peer=spago/m=512/n=512/k=512/threads=1", func(b *testing.B) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		a := mat.NewDense[float32](mat.WithShape(n, n), mat.WithBacking(x))
		c := mat.NewDense[float32](mat.WithShape(n, n), mat.WithBacking(w))
		for b.Loop() {
			a.Mul(c)
		}
		flops(b, 2*n*n*n)
	})
}
