package main

import (
	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// addresses returns the addresses of h rows at a distance of step bytes from
// first. Each three rows share a register, the first three the given one.
func addresses(c *build.Context, first, step GPVirtual, h int) (rows []Mem) {
	base := first
	for i := range h {
		if i > 0 && i%3 == 0 {
			next := c.GP64()
			c.LEAQ(Mem{Base: step, Index: step, Scale: 2}, next)
			c.ADDQ(base, next)
			base = next
		}
		row := Mem{Base: base}
		if i%3 > 0 {
			row.Index, row.Scale = step, uint8(i%3)
		}
		rows = append(rows, row)
	}
	return rows
}

// bases returns the registers that the rows' addresses share, each once.
func bases(rows []Mem) (registers []Register) {
	for i := 0; i < len(rows); i += 3 {
		registers = append(registers, rows[i].Base)
	}
	return registers
}
