package main

import (
	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// rowsABase is how many rows share a register: at 0, 1, 2, 3 and 4 steps from it.
const rowsABase = 5

// addresses returns the addresses of h rows at a distance of step bytes from
// first. The first rows share the given register.
func addresses(c *build.Context, first, step GPVirtual, h int) (rows []Mem) {
	triple := step
	if h > 3 {
		triple = c.GP64()
		c.LEAQ(Mem{Base: step, Index: step, Scale: 2}, triple)
	}
	return addressesBy(c, first, step, triple, h)
}

// addressesBy is addresses, if triple has three steps.
func addressesBy(c *build.Context, first, step, triple GPVirtual, h int) (rows []Mem) {
	base := first
	for i := range h {
		if i > 0 && i%rowsABase == 0 {
			next := c.GP64()
			c.LEAQ(Mem{Base: base, Index: step, Scale: 4}, next)
			c.ADDQ(step, next)
			base = next
		}
		row := Mem{Base: base}
		switch n := i % rowsABase; n {
		case 1, 2, 4:
			row.Index, row.Scale = step, uint8(n)
		case 3:
			row.Index, row.Scale = triple, 1
		}
		rows = append(rows, row)
	}
	return rows
}

// bases returns the registers that the rows' addresses share, each once.
func bases(rows []Mem) (registers []Register) {
	for _, row := range rows {
		if n := len(registers); n == 0 || registers[n-1] != row.Base {
			registers = append(registers, row.Base)
		}
	}
	return registers
}
