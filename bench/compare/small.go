package compare

import (
	"fmt"

	"github.com/lowrank/lowrank/bench/work"
	"github.com/lowrank/lowrank/kernels"
)

// smallProducts are shapes that fill no tile or just one, nothing packed
// beforehand.
func smallProducts(r *run) error {
	sizes, ops := []int{1, 3, 7, 17, 33, 64, 100, 129}, []kernels.Op{kernels.NN, kernels.NT, kernels.TN}
	if r.Quick {
		sizes, ops = []int{1, 7, 33, 129}, ops[1:2]
	}
	pace := r.pace
	r.pace.row /= 20
	r.pace.block /= 20
	defer func() { r.pace = pace }()
	return r.each(func(l kernels.Level, threads int) error {
		ops := ops
		if threads > 1 && !r.Quick { // on one thread mostly, whichever way they are held
			ops = []kernels.Op{kernels.NT}
		}
		for _, m := range sizes {
			for _, n := range sizes {
				for _, k := range sizes {
					for _, op := range ops {
						c := cell{"small", fmt.Sprintf("m=%d/n=%d/k=%d/%v", m, n, k, op), l, threads}
						err := r.beside(c, func() *work.Work { return work.MatMul(op, m, n, k) }, libraries, nil, func(row *Row, _ *work.Work) {
							row.Checks = []Check{ratio(xBest, row.best("oneDNN", "OpenBLAS"), row.seconds[oursName], 0.8)}
						})
						if err != nil {
							return err
						}
					}
				}
			}
		}
		return nil
	})
}
