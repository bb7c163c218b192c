package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// fmaPeak writes a loop of independent fused multiply-adds of one vector each.
func fmaPeak(c *build.Context, isa string, sums int, vector func() VecVirtual) {
	c.Function("fmaPeak" + isa)
	c.Attributes(build.NOSPLIT)
	c.Doc(fmt.Sprintf("fmaPeak%s runs %d fused multiply-adds of a vector an iteration, at least one.", isa, sums))
	c.SignatureExpr("func(iterations int)")
	n := c.Load(c.Param("iterations"), c.GP64())
	x := vector()
	c.VXORPS(x.AsY(), x.AsY(), x.AsY())
	all := vectors(vector, sums)
	for _, sum := range all {
		c.VXORPS(sum.AsY(), sum.AsY(), sum.AsY())
	}
	c.Label("loop")
	for _, sum := range all {
		c.VFMADD231PS(x, x, sum)
	}
	c.DECQ(n)
	c.JNZ(LabelRef("loop"))
	c.VZEROUPPER()
	c.RET()
}
