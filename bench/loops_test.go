package bench

import (
	"testing"

	"github.com/lowrank/lowrank/bench/machine"
	"github.com/lowrank/lowrank/bench/work"
)

// BenchmarkLoops are the element- and row-wise kernels on working sets that lie
// in the second cache, and in memory.
func BenchmarkLoops(b *testing.B) {
	places := machine.Places()
	for _, l := range work.Loops {
		for _, place := range []machine.Place{places[1], places[3]} {
			b.Run("loop="+l.Name+"/in="+place.Name, func(b *testing.B) {
				atLevels(b, func(b *testing.B) { bytes(b, l.Make(place.Bytes)) })
			})
		}
	}
}
