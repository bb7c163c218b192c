package compare

import (
	"fmt"

	"github.com/lowrank/lowrank/bench/work"
	"github.com/lowrank/lowrank/kernels"
)

// dtypes are products with weights in narrower formats beside the same with
// float32, packing counted on both sides.
func dtypes(r *run) error {
	sizes, ms := []int{768, 2048}, []int{256, 2048}
	if r.Quick {
		sizes = sizes[:1]
	}
	return r.each(func(l kernels.Level, threads int) error {
		for _, format := range []kernels.Dtype{kernels.BF16, kernels.F16, kernels.Int8, kernels.NF4} {
			for _, d := range sizes {
				for _, m := range ms {
					c := cell{"dtypes", fmt.Sprintf("%v/m=%d/n=%d/k=%d/NT", format, m, d, d), l, threads}
					if err := r.dtype(c, format, m, d); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
}

func (r *run) dtype(c cell, format kernels.Dtype, m, d int) error {
	const float32Name = "float32"
	if !r.wanted(c) {
		return nil
	}
	if err := kernels.SetLevel(c.level); err != nil { // which float32 is packed for
		return err
	}
	narrow, err := work.Decoded(format, m, d, d)
	if err != nil {
		return err
	}
	wide, err := work.Decoded(kernels.F32, m, d, d)
	if err != nil {
		return err
	}
	return r.beside(c, func() *work.Work { return narrow }, nil,
		func(*work.Work) []side { return []side{inProcess(float32Name, c.level, c.threads, wide.Run)} },
		func(row *Row, _ *work.Work) {
			row.Checks = []Check{{What: ofFloat32, Got: row.seconds[oursName] / row.seconds[float32Name], Want: 1.1, AtMost: true}}
		})
}
