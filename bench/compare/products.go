package compare

import (
	"fmt"

	"github.com/nlpodyssey/spago/mat"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"

	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/bench/work"
	"github.com/lowrank/lowrank/kernels"
)

// large are m, n, k of products that fill a machine.
var large = [][3]int{{512, 512, 512}, {1024, 1024, 1024}, {2048, 2048, 2048}, {2048, 768, 768}}

func packedProducts(r *run) error {
	return r.products("packed", work.MatMulPacked, []kernels.Op{kernels.NN, kernels.NT}, 0.90, 1.0)
}

func plainProducts(r *run) error {
	return r.products("matmul", work.MatMul, []kernels.Op{kernels.NN, kernels.NT, kernels.TN}, 0.85, 0.97)
}

func (r *run) products(group string, build func(op kernels.Op, m, n, k int) *work.Work, ops []kernels.Op, ofThePeak, ofOneDNN float64) error {
	return r.each(func(l kernels.Level, threads int) error {
		for _, s := range large {
			if r.Quick && s[0] == 2048 && s[1] == 2048 {
				continue
			}
			for _, op := range ops {
				c := cell{group, fmt.Sprintf("m=%d/n=%d/k=%d/%v", s[0], s[1], s[2], op), l, threads}
				err := r.beside(c, func() *work.Work { return build(op, s[0], s[1], s[2]) }, libraries, nil, func(row *Row, w *work.Work) {
					row.Checks = []Check{
						ratio(ofPeak, w.Flops/row.seconds[oursName], r.peak(l, threads), ofThePeak),
						ratio(xOneDNN, row.best("oneDNN"), row.seconds[oursName], ofOneDNN),
					}
				})
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// goProducts are what a Go program would use otherwise, on one thread, which is
// all that Mul of spago knows.
func goProducts(r *run) error {
	const n = 512
	for _, l := range r.Levels {
		err := r.beside(cell{"go", "m=512/n=512/k=512/NN", l, 1}, func() *work.Work { return work.MatMul(kernels.NN, n, n, n) }, nil,
			func(*work.Work) []side {
				x, w, y := peers.Fill(peers.X, make([]float32, n*n)), peers.Fill(peers.W, make([]float32, n*n)), make([]float32, n*n)
				a := mat.NewDense[float32](mat.WithShape(n, n), mat.WithBacking(x))
				b := mat.NewDense[float32](mat.WithShape(n, n), mat.WithBacking(w))
				return []side{
					onOneProcessor(inProcess("gonum", l, 1, func() {
						gonum.Implementation{}.Sgemm(blas.NoTrans, blas.NoTrans, n, n, n, 1, x, n, w, n, 0, y, n)
					})),
					onOneProcessor(inProcess("spago", l, 1, func() { a.Mul(b) })),
				}
			}, func(row *Row, _ *work.Work) {})
		if err != nil {
			return err
		}
	}
	return nil
}
