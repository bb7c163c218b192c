package main

import "fmt"

// dropout draws for whole groups of 64 elements, as its amd64 namesake does: of the 16
// blocks of a group, the lanes of four vectors, two vectors at a time.
func (l *neonLoop) dropout() {
	l.function("dropoutNEON", "func(y, x []float32, table []uint64, block uint64)", "y", "x")
	left, table, block := l.load("y", "_len"), l.load("table", "_base"), l.load("block", "")
	row := func(i int) vreg {
		v := l.vec()
		l.op("FMOVQ %d(%s), %s", 64*i, table, v.f())
		return v
	}
	multipliers := [2]vreg{row(dropoutMultipliers), row(dropoutMultipliers + 1)}
	threshold, scale, keep := row(dropoutThreshold), row(dropoutScale), row(dropoutKeep)
	// The numbers of the blocks of two vectors, two blocks in each of these.
	var blocks [4]vreg
	for i := range blocks {
		blocks[i] = l.vec()
		for lane := range 2 {
			l.op("VMOV %s, V%d.D[%d]", block, blocks[i], lane)
			l.op("ADD $1, %s", block)
		}
	}
	step, eight := l.vec(), l.gp()
	l.op("MOVD $8, %s", eight)
	l.op("VDUP %s, %s", eight, step.d2())

	l.label("group")
	for pair := range 2 {
		l.interleaved(2, func() {
			low, high := blocks[2*l.block], blocks[2*l.block+1]
			words := l.philox([4]vreg{l.uzp(1, low, high), l.uzp(2, low, high), row(dropoutCounter), row(dropoutCounter + 1)}, multipliers, row)
			for i, u := range words {
				at := func(slice string) string { return fmt.Sprintf("%d(%s)", 64*i+32*pair+16*l.block, l.slices[slice]) }
				x, old := l.vec(), l.vec()
				l.cmge(u, u, threshold)
				l.op("FMOVQ %s, %s", at("x"), x.f())
				l.op("FMOVQ %s, %s", at("y"), old.f())
				l.and(x, x, u)
				l.fmul(x, x, scale)
				l.and(old, old, keep)
				l.fadd(x, x, old)
				l.op("FMOVQ %s, %s", x.f(), at("y"))
				l.free(u, x, old)
			}
		})
		for _, b := range blocks {
			l.op("VADD %s, %s, %s", step.d2(), b.d2(), b.d2())
		}
	}
	for _, s := range l.names {
		l.op("ADD $256, %s", l.slices[s])
	}
	l.op("SUBS $64, %s", left)
	l.op("BNE group")
	l.end()
}

// philox is the words of four blocks, in place of their counters: in each round the two
// halves of a block are multiplied, and the high parts of the products exchanged.
func (l *neonLoop) philox(words [4]vreg, multipliers [2]vreg, row func(i int) vreg) [4]vreg {
	for round := range dropoutRounds {
		var low, high [2]vreg
		for half, m := range multipliers {
			first, second := l.vec(), l.vec()
			l.umull(first, words[2*half], m, 0)
			l.umull(second, words[2*half], m, 1)
			low[half], high[half] = l.uzp(1, first, second), l.uzp(2, first, second)
			l.free(first, second, words[2*half])
		}
		for half := range 2 {
			key, v := row(2*round+half), high[1-half]
			l.xor(v, v, words[2*half+1])
			l.xor(v, v, key)
			l.free(key, words[2*half+1])
		}
		words = [4]vreg{high[1], low[1], high[0], low[0]}
	}
	return words
}
