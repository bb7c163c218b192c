package bench

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"github.com/nlpodyssey/spago/mat"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"

	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/bench/work"
	"github.com/lowrank/lowrank/kernels"
)

func itoa(n int) string { return strconv.Itoa(n) }

// products are m, n, k: the shapes of square products and of a linear map.
var products = [][3]int{{512, 512, 512}, {1024, 1024, 1024}, {2048, 768, 768}, {512, 128, 128}, {512, 344, 128}}

func eachProduct(b *testing.B, build func(op kernels.Op, m, n, k int) *work.Work) {
	for _, s := range products {
		b.Run(fmt.Sprintf("m=%d/n=%d/k=%d", s[0], s[1], s[2]), func(b *testing.B) {
			atLevels(b, func(b *testing.B) { flops(b, build(kernels.NT, s[0], s[1], s[2])) })
		})
	}
}

// BenchmarkMatMul is y = x·Wᵀ, packing counted.
func BenchmarkMatMul(b *testing.B) { eachProduct(b, work.MatMul) }

// BenchmarkMatMulPacked is the same with a weight that never changes.
func BenchmarkMatMulPacked(b *testing.B) { eachProduct(b, work.MatMulPacked) }

// BenchmarkPeers is what a Go program would use instead, on one core: gonum's
// Sgemm and spago's Mul.
func BenchmarkPeers(b *testing.B) {
	const n = 512
	x, w, y := peers.Fill(peers.X, make([]float32, n*n)), peers.Fill(peers.W, make([]float32, n*n)), make([]float32, n*n)
	rows := mat.NewDense[float32](mat.WithShape(n, n), mat.WithBacking(x))
	columns := mat.NewDense[float32](mat.WithShape(n, n), mat.WithBacking(w))
	for _, peer := range []struct {
		name string
		run  func()
	}{
		{"gonum", func() { gonum.Implementation{}.Sgemm(blas.NoTrans, blas.Trans, n, n, n, 1, x, n, w, n, 0, y, n) }},
		{"spago", func() { rows.Mul(columns) }},
	} {
		b.Run("peer="+peer.name+"/m=512/n=512/k=512/threads=1", func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			flops(b, &work.Work{Flops: 2 * n * n * n, Run: peer.run})
		})
	}
}
