package compare

import (
	"fmt"

	"github.com/lowrank/lowrank/bench/machine"
	"github.com/lowrank/lowrank/bench/work"
	"github.com/lowrank/lowrank/kernels"
)

// A direction is the work forward or backward.
type direction struct {
	name  string
	build func(d, r, m int) *work.Work
}

// lowRankProducts are two calls forward and four backward for a library.
func lowRankProducts(r *run) error {
	ds, ranks, ms := []int{384, 768, 2048, 4096}, []int{4, 8, 16, 32, 64}, []int{64, 512, 2048}
	if r.Quick {
		ds, ranks, ms = []int{384, 768, 2048}, []int{8, 32}, []int{64, 512}
	}
	return r.lowRank("lowrank", ds, ranks, ms, []direction{{"forward", work.LowRankForward}, {"backward", work.LowRankBackward}},
		func(l kernels.Level, threads int, _ direction, _, _, _ int) (func(*work.Work) []side, func(*Row, *work.Work)) {
			return nil, func(row *Row, w *work.Work) {
				roof := machine.Roof(r.peak(l, threads), r.curves[threads], w.Flops, w.Bytes, w.Set)
				row.Either = true
				row.Checks = []Check{
					ratio(xBest, row.best("oneDNN", "OpenBLAS"), row.seconds[oursName], 1.3),
					ratio(ofRoof, w.Flops/row.seconds[oursName], roof, 0.9),
				}
			}
		})
}

// adaptedMaps are three calls forward and five backward for a library, its
// frozen weight packed where it can be.
func adaptedMaps(r *run) error {
	ds, ranks, ms := []int{384, 768, 2048}, []int{8, 32}, []int{64, 512, 2048}
	if r.Quick {
		ds, ranks = []int{768}, []int{8}
	}
	return r.lowRank("adapted", ds, ranks, ms, []direction{{"forward", work.AdaptedForward}, {"backward", work.AdaptedBackward}},
		func(l kernels.Level, threads int, way direction, d, rank, m int) (func(*work.Work) []side, func(*Row, *work.Work)) {
			op, share := kernels.NT, 2*float64(rank)/float64(d)
			if way.name == "backward" {
				op, share = kernels.NN, 2*share
			}
			extra := func(*work.Work) []side {
				base := work.MatMulPacked(op, m, d, d)
				s := inProcess(baseName, l, threads, base.Run)
				s.flops = base.Flops
				return []side{s}
			}
			return extra, func(row *Row, _ *work.Work) {
				if m >= 512 {
					row.Checks = append(row.Checks, Check{
						What: ofBase, Got: row.seconds[oursName] / row.seconds[baseName], Want: 1 + 1.5*share + 0.01, AtMost: true,
					})
				}
				row.Checks = append(row.Checks, ratio(xBest, row.best("oneDNN", "OpenBLAS"), row.seconds[oursName], 1.08))
			}
		})
}

func (r *run) lowRank(group string, ds, ranks, ms []int, ways []direction,
	against func(l kernels.Level, threads int, way direction, d, rank, m int) (func(*work.Work) []side, func(*Row, *work.Work))) error {
	return r.each(func(l kernels.Level, threads int) error {
		for _, way := range ways {
			for _, d := range ds {
				for _, rank := range ranks {
					for _, m := range ms {
						c := cell{group, fmt.Sprintf("%s/d=%d/r=%d/m=%d", way.name, d, rank, m), l, threads}
						extra, judge := against(l, threads, way, d, rank, m)
						if err := r.beside(c, func() *work.Work { return way.build(d, rank, m) }, libraries, extra, judge); err != nil {
							return err
						}
					}
				}
			}
		}
		return nil
	})
}
