package experiments

import (
	"testing"

	"github.com/lowrank/lowrank/lora"
)

// Whatever the method reads of a graph while it trains or before, computing blocks
// again does not change it: run, instruments and adapter are the same, bit for bit.
func TestEveryMethodWithBlocks(t *testing.T) {
	for _, m := range lora.Methods() {
		want := finish(t, tinyRun(t, m.Name))
		wantSame(t, m.Name, finish(t, tinyRun(t, m.Name, func(c *Config) { c.Checkpoint.Blocks = true })), want)
	}
}
