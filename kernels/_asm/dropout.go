package main

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Rows of kernels.dropoutTable, each of sixteen equal 32-bit numbers: the keys of the
// rounds, two each, and then these.
const (
	dropoutRounds      = 7
	dropoutMultipliers = 2 * dropoutRounds
	dropoutCounter     = dropoutMultipliers + 2
	dropoutThreshold   = dropoutCounter + 2
	dropoutScale       = dropoutThreshold + 1
	dropoutKeep        = dropoutScale + 1
)

// dropout draws for whole groups of 64 elements: 16 blocks of Philox of four
// words, of which the first give the first 16 elements, and so on. A word is kept in the
// lower half of 64 bits, where products need no shuffling, whatever the upper half is:
// the even blocks in one set of vectors, the odd ones in another, which are merged at
// the end.
func (l *loopWriter) dropout() {
	evens := l.global("evens")
	for i := range l.lanes / 2 {
		l.home.AddDatum(8*i, operand.U64(2*i))
	}
	one := l.global("ones")
	for i := range l.lanes / 2 {
		l.home.AddDatum(8*i, operand.U64(1))
	}
	stride := l.global("stride")
	for i := range l.lanes / 2 {
		l.home.AddDatum(8*i, operand.U64(l.lanes))
	}

	l.Function("dropout" + l.level)
	l.Attributes(attr.NOSPLIT)
	l.SignatureExpr("func(y, x []float32, table []uint64, block uint64)")
	y := l.Load(l.Param("y").Base(), l.GP64()).(reg.GPVirtual)
	x := l.Load(l.Param("x").Base(), l.GP64()).(reg.GPVirtual)
	n := l.Load(l.Param("y").Len(), l.GP64()).(reg.GPVirtual)
	table := l.Load(l.Param("table").Base(), l.GP64()).(reg.GPVirtual)
	row := func(i int) operand.Mem { return operand.Mem{Base: table, Disp: 64 * i} }
	// AVX-512 has registers for all that the rounds need, AVX2 for the multipliers.
	held := map[int]vector{}
	hold := func(from, to int) {
		for i := from; i < to; i++ {
			held[i] = l.vec()
			l.VMOVUPS(row(i), held[i])
		}
	}
	hold(dropoutMultipliers, dropoutCounter)
	if l.wide() {
		hold(0, dropoutMultipliers)
	}
	number := func(i int) vector {
		if v, ok := held[i]; ok {
			return v
		}
		v := l.vec()
		l.VMOVUPS(row(i), v)
		return v
	}
	var odd reg.OpmaskVirtual
	if l.wide() {
		ones := l.GP32()
		l.MOVL(operand.U32(0xaaaa), ones)
		odd = l.K()
		l.KMOVW(ones, odd)
	}
	even := l.vec()
	l.VPBROADCASTQ(l.param("block"), even)
	l.VPADDQ(evens, even, even)

	l.Label("group")
	for half := range 16 / l.lanes {
		words := [2][4]vector{}
		for set := range words {
			w := &words[set]
			for i := range w {
				w[i] = l.vec()
			}
			if set == 0 {
				l.VMOVUPS(even, w[0])
			} else {
				l.VPADDQ(one, even, w[0])
			}
			l.VPSRLQ(operand.U8(32), w[0], w[1])
			l.VMOVUPS(row(dropoutCounter), w[2])
			l.VMOVUPS(row(dropoutCounter+1), w[3])
		}
		l.VPADDQ(stride, even, even)
		for round := range dropoutRounds {
			// The halves of a block are computed one after the other, for both sets.
			var products [2][2]vector
			for part := range 2 {
				for set, w := range words {
					products[set][part] = l.vec()
					l.VPMULUDQ(held[dropoutMultipliers+part], w[2*part], products[set][part])
				}
			}
			for part := range 2 {
				key := number(2*round + part)
				for set := range words {
					w, q := &words[set], products[set][1-part]
					l.VPSRLQ(operand.U8(32), q, w[2*part])
					l.xor(w[2*part+1], key, w[2*part])
				}
			}
			for set := range words {
				words[set][1], words[set][3] = products[set][1], products[set][0]
			}
		}
		for i := range 4 {
			u, other := words[0][i], words[1][i]
			l.VPSLLQ(operand.U8(32), other, other)
			if l.wide() {
				l.VPBLENDMD(other, u, odd, u)
			} else {
				l.VPBLENDD(operand.U8(0xaa), other, u, u)
			}
			at := operand.Mem{Disp: 64*i + 32*half}
			from, to := at, at
			from.Base, to.Base = x, y
			v := l.vec()
			if l.wide() {
				k := l.K()
				l.VPCMPD(operand.U8(notLess), row(dropoutThreshold), u, k)
				l.VMOVUPS_Z(from, k, v)
			} else {
				dropped := l.vec()
				l.VMOVUPS(row(dropoutThreshold), dropped)
				l.VPCMPGTD(u, dropped, dropped)
				l.VPANDN(from, dropped, v)
			}
			l.VMULPS(row(dropoutScale), v, v)
			old := l.vec()
			l.VMOVUPS(row(dropoutKeep), old)
			l.VANDPS(to, old, old)
			l.VADDPS(old, v, v)
			l.VMOVUPS(v, to)
		}
	}
	l.ADDQ(operand.U32(256), x)
	l.ADDQ(operand.U32(256), y)
	l.SUBQ(operand.U8(64), n)
	l.JNZ(operand.LabelRef("group"))
	l.end()
}

// xor is v ^= a ^ b.
func (l *loopWriter) xor(a, b, v vector) {
	if l.wide() {
		l.VPTERNLOGQ(operand.U8(0x96), b, a, v)
		return
	}
	l.VPXOR(a, v, v)
	l.VPXOR(b, v, v)
}
