package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func init() {
	generators["loops_avx2_amd64.s"] = func(c *build.Context) { loops(c, "AVX2", 8) }
	generators["loops_avx512_amd64.s"] = func(c *build.Context) { loops(c, "AVX512", 16) }
}

// loops writes the element- and row-wise loops of a level, with vectors of so many
// lanes. Each walks its slices a vector at a time; what is left at the end goes
// through the same instructions under a mask, so no lane is ever computed by other
// code and nothing outside the slices is touched.
func loops(c *build.Context, level string, lanes int) {
	l := &loopWriter{Context: c, home: c, level: level, lanes: lanes, constants: map[uint32]operand.Mem{}}
	if !l.wide() {
		l.tailMasks()
	}

	l.dot()
	l.dot3()
	l.maximum()

	l.axpy()
	l.scale()
	l.scaleRows()
	l.normWeights()
	l.add()
	l.mul()
	l.mulAdd()

	l.expShift()
	l.siluMul()
	l.siluMulGrad()
	l.gelu()
	l.geluTanh()
	l.geluTanhGrad()
	l.rotateHeads()
	l.adamw()

	l.oddFunctions()
	l.fused()
	l.attention()
	l.dropout()
}

type vector = reg.VecVirtual

// loopWriter holds what one loop body needs: the slices' pointers, the place in
// them, and the mask while the tail is written.
type loopWriter struct {
	*build.Context
	home      *build.Context // of the file, where Context may be that of a part
	level     string
	lanes     int                    // of float32 in a vector
	constants map[uint32]operand.Mem // a vector of equal lanes, by their bits
	held      map[uint32]vector      // those that the loop holds in registers
	uses      map[uint32]int         // how often a body uses each, while that is counted
	masks     operand.Mem

	slices map[string]reg.GPVirtual
	index  reg.GPVirtual
	block  int               // which vector of an unrolled body
	blocks int               // of how many
	ahead  []string          // the slices to fetch ahead
	loaded map[string]vector // what a turn's first block has loaded for all
	tail   bool              // the body is masked, by one of these
	mask   vector            // AVX2: ones in the lanes that count
	opmask reg.OpmaskVirtual // AVX-512
}

// tailMasks is eight lanes of ones before eight of zeros: read from lane 8-r on,
// it selects the first r lanes.
func (l *loopWriter) tailMasks() {
	l.masks = l.global("tailMasks")
	for i := 0; i < 16; i++ {
		v := operand.U32(0)
		if i < 8 {
			v = operand.U32(math.MaxUint32)
		}
		l.AddDatum(4*i, v)
	}
}

// global starts a read-only table.
func (l *loopWriter) global(name string) operand.Mem {
	m := l.home.StaticGlobal(name)
	l.home.DataAttributes(attr.RODATA | attr.NOPTR)
	return m
}

// bits is a vector of one 32-bit pattern: a register if the loop holds it in one,
// else a memory operand. A register must not be written to.
func (l *loopWriter) bits(b uint32) operand.Op {
	if l.uses != nil {
		l.uses[b]++
	} else if v, ok := l.held[b]; ok {
		return v
	}
	return l.table(b)
}

// table is a vector of one 32-bit pattern in memory.
func (l *loopWriter) table(b uint32) operand.Mem {
	if m, ok := l.constants[b]; ok {
		return m
	}
	m := l.global(fmt.Sprintf("lanes%08x", b))
	for i := 0; i < l.lanes/2; i++ {
		l.home.AddDatum(8*i, operand.U64(uint64(b)<<32|uint64(b)))
	}
	l.constants[b] = m
	return m
}

func (l *loopWriter) float(v float64) operand.Op { return l.bits(math.Float32bits(float32(v))) }

// constant is a vector of v in a register.
func (l *loopWriter) constant(v float64) vector {
	r := l.vec()
	l.VMOVUPS(l.float(v), r)
	return r
}

// hold loads the constants that a body uses most into registers before the loop,
// counted by writing the body once for nothing.
func (l *loopWriter) hold(registers int, body func()) {
	l.uses = map[uint32]int{}
	l.instructions(body)
	uses := l.uses
	l.uses = nil
	order := slices.SortedFunc(maps.Keys(uses), func(a, b uint32) int {
		return cmp.Or(cmp.Compare(uses[b], uses[a]), cmp.Compare(a, b))
	})
	for _, b := range order[:min(registers, len(order))] {
		v := l.vec()
		l.VMOVUPS(l.table(b), v)
		l.held[b] = v
	}
}

// instructions returns what a body writes.
func (l *loopWriter) instructions(body func()) []*ir.Instruction {
	home := l.Context
	l.Context = build.NewContext()
	l.Collection = home.Collection
	l.Function("part")
	body()
	part, err := l.Result()
	l.Context = home
	if err != nil {
		panic(err)
	}
	return part.Functions()[0].Instructions()
}

// interleaved writes bodies, an instruction of each in turn: a processor holds
// some hundred instructions that wait for others, not many bodies one after the
// other.
func (l *loopWriter) interleaved(blocks int, body func()) {
	var parts [][]*ir.Instruction
	l.blocks = blocks
	for l.block = range blocks {
		parts = append(parts, l.instructions(body))
	}
	l.block = 0
	for i, left := 0, true; left; i++ {
		left = false
		for _, part := range parts {
			if i < len(part) {
				if part[i].Opcode != "NOP" {
					l.Instruction(part[i])
				}
				left = true
			}
		}
	}
}

// once is a table, which a turn's first block loads for all. Where it does, the others
// have an instruction that is not written, so that all stay side by side.
func (l *loopWriter) once(table operand.Mem) vector {
	if name := table.Symbol.Name; l.block == 0 {
		l.loaded[name] = l.vec()
		l.VMOVUPS(table, l.loaded[name])
	} else {
		l.NOP()
	}
	return l.loaded[table.Symbol.Name]
}

// param is the place of a scalar argument.
func (l *loopWriter) param(name string) operand.Mem {
	a, err := l.Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return a.Addr
}

// splat is a scalar argument in all lanes.
func (l *loopWriter) splat(param string) vector {
	v := l.vec()
	l.VBROADCASTSS(l.param(param), v)
	return v
}

// keep is all ones when the bool argument is true, else zeros: an old value
// under it is added to, or overwritten.
func (l *loopWriter) keep(param string) vector {
	flag, v := l.GP32(), l.vec()
	l.MOVBLZX(l.param(param), flag)
	l.NEGL(flag)
	l.VMOVD(flag, v.AsX())
	l.VPBROADCASTD(v.AsX(), v)
	return v
}

func (l *loopWriter) at(slice string) operand.Mem {
	return operand.Mem{Base: l.slices[slice], Index: l.index, Scale: 4, Disp: 4 * l.lanes * l.block}
}

// load reads a vector of a slice; lanes beyond its end are 0.
func (l *loopWriter) load(slice string) vector {
	v := l.vec()
	switch {
	case !l.tail:
		l.VMOVUPS(l.at(slice), v)
	case l.wide():
		l.VMOVUPS_Z(l.at(slice), l.opmask, v)
	default:
		l.VMASKMOVPS(l.at(slice), l.mask, v)
	}
	return v
}

func (l *loopWriter) store(v vector, slice string) {
	switch {
	case !l.tail:
		l.VMOVUPS(v, l.at(slice))
	case l.wide():
		l.VMOVUPS(v, l.opmask, l.at(slice))
	default:
		l.VMASKMOVPS(v, l.mask, l.at(slice))
	}
}

// storeAcc writes v, or adds it where keep has ones.
func (l *loopWriter) storeAcc(v, keep vector, slice string) {
	old, sum := l.load(slice), l.vec()
	l.VANDPS(keep, old, old)
	l.VADDPS(old, v, sum)
	l.store(sum, slice)
}

// function starts a loop: scalar arguments are read by the caller afterwards. The
// level is added to its name.
func (l *loopWriter) function(name, signature string, slices ...string) {
	l.Function(name + l.level)
	l.Attributes(attr.NOSPLIT)
	l.SignatureExpr(signature)
	l.ahead = nil
	l.slices, l.held, l.loaded = map[string]reg.GPVirtual{}, map[uint32]vector{}, map[string]vector{}
	for _, s := range slices {
		l.slices[s] = l.GP64()
		l.Load(l.Param(s).Base(), l.slices[s])
	}
}

// each writes the loop: unroll vectors a turn, then single ones, then the tail.
// length names the slice whose length counts.
func (l *loopWriter) each(length string, unroll int, body func()) {
	registers := 0
	if l.wide() {
		registers = 8
	}
	n := l.GP64()
	l.Load(l.Param(length).Len(), n)
	l.index = l.GP64()
	l.XORQ(l.index, l.index)
	l.hold(registers, body)
	turn := func(label string, blocks int) {
		next := l.GP64()
		l.Label(label)
		l.LEAQ(operand.Mem{Base: l.index, Disp: l.lanes * blocks}, next)
		l.CMPQ(next, n)
		l.JGT(operand.LabelRef(label + "End"))
		if blocks == unroll {
			l.fetch(blocks)
		}
		l.interleaved(blocks, body)
		l.MOVQ(next, l.index)
		l.JMP(operand.LabelRef(label))
		l.Label(label + "End")
	}
	if unroll > 1 {
		turn("many", unroll)
	}
	turn("one", 1)
	l.SUBQ(l.index, n)
	l.JE(operand.LabelRef("done"))
	l.selectFirst(n)
	l.tail = true
	l.blocks = 1
	body()
	l.tail = false
	l.Label("done")
}

// fetch brings what a later turn needs of l.ahead into the first cache, across the ends
// of pages and rows, where a processor stops that looks ahead by itself.
func (l *loopWriter) fetch(blocks int) {
	const distance = 2048
	for _, slice := range l.ahead {
		for line := 0; line < 4*l.lanes*blocks; line += 64 {
			l.PREFETCHT0(operand.Mem{Base: l.slices[slice], Index: l.index, Scale: 4, Disp: distance + line})
		}
	}
}

// selectFirst makes the mask of the first n lanes.
func (l *loopWriter) selectFirst(n reg.GPVirtual) {
	if l.wide() {
		ones := l.GP32()
		l.MOVL(operand.U32(math.MaxUint32), ones)
		l.BZHIL(n.As32(), ones, ones)
		l.opmask = l.K()
		l.KMOVW(ones, l.opmask)
		return
	}
	table := l.GP64()
	l.LEAQ(l.masks, table)
	l.NEGQ(n)
	l.mask = l.vec()
	l.VMOVUPS(operand.Mem{Base: table, Index: n, Scale: 4, Disp: 32}, l.mask)
}

func (l *loopWriter) end() {
	l.VZEROUPPER()
	l.RET()
}
