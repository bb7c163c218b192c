package compare

import (
	"fmt"

	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/bench/work"
	"github.com/lowrank/lowrank/kernels"
)

func attention(r *run) error {
	lengths := []int{128, 256, 512, 1024, 2048}
	if r.Quick {
		lengths = []int{128, 512, 2048}
	}
	ways := []struct {
		name string
		make func(length, heads, dim int) *work.Work
	}{{"forward", work.AttentionForward}, {"backward", work.AttentionBackward}}
	return r.each(func(l kernels.Level, threads int) error {
		for _, way := range ways {
			for _, n := range lengths {
				c := cell{"attention", fmt.Sprintf("%s/length=%d", way.name, n), l, threads}
				err := r.beside(c, func() *work.Work { return way.make(n, 8, 64) }, []peers.Program{peers.PyTorch}, nil, func(row *Row, _ *work.Work) {
					row.Checks = []Check{ratio(xPyTorch, row.best(peers.PyTorch.Name), row.seconds[oursName], 1.3)}
				})
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}
