package compare

import (
	"fmt"
	"slices"

	"github.com/lowrank/lowrank/bench/work"
	"github.com/lowrank/lowrank/kernels"
)

// scaling is our products on several threads beside the same on one.
func scaling(r *run) error {
	const one = "ours, 1 thread"
	shapes := [][3]int{{2048, 768, 768}, {2048, 2048, 2048}}
	if r.Quick {
		shapes = shapes[:1]
	}
	builds := []struct {
		name string
		make func(op kernels.Op, m, n, k int) *work.Work
	}{{"packed", work.MatMulPacked}, {"plain", work.MatMul}}
	for _, l := range r.Levels {
		for _, threads := range slices.DeleteFunc(slices.Clone(r.Threads), func(n int) bool { return n < 2 }) {
			for _, s := range shapes {
				for _, b := range builds {
					c := cell{"threads", fmt.Sprintf("%s/m=%d/n=%d/k=%d/NT", b.name, s[0], s[1], s[2]), l, threads}
					err := r.beside(c, func() *work.Work { return b.make(kernels.NT, s[0], s[1], s[2]) }, nil,
						func(w *work.Work) []side { return []side{inProcess(one, l, 1, w.Run)} },
						func(row *Row, _ *work.Work) {
							row.Checks = []Check{ratio(xOne, row.seconds[one], row.seconds[oursName], 0.95*float64(threads))}
						})
					if err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}
