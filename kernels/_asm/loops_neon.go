package main

import (
	"fmt"
	"math"
	"strings"
)

func init() { neonFiles["loops_arm64.s"] = neonLoops }

// neonLoops writes loops_arm64.s: the element- and row-wise loops in NEON. Each
// walks its slices four lanes at a time; the last len mod 4 elements go one by
// one through the same instructions, in the first lane, so nothing outside the
// slices is touched.
func neonLoops(n *neon) {
	l := &neonLoop{neon: n}

	l.reduceSum("dotNEON", "x", "y")
	l.reduceSum("dot3NEON", "x", "y", "z")
	l.maximum()

	l.axpy()
	l.scale()
	l.normWeights()
	l.add()
	l.mul()
	l.mulAdd()

	l.expShift()
	l.expSum()
	l.siluMul()
	l.siluMulGrad()
	l.gelu()
	l.geluGrad()
	l.geluTanh()
	l.geluTanhGrad()
	l.adamw()

	l.exp2Sum()
	l.scoreGrad()
	l.softmaxInput()

	l.oddFunctions()
	l.norms()
	l.rows()
	l.dropout()
}

// A neonLoop holds what one loop body needs: the slices' pointers, and where in
// them it is.
type neonLoop struct {
	*neon
	names  []string // of the slices
	slices map[string]gp
	block  int  // which group of four of an unrolled body
	tail   bool // one element, in the first lane; the others are zero when read
}

// function begins a loop over slices.
func (l *neonLoop) function(name, signature string, slices ...string) {
	l.neon.function(name, signature, "")
	l.names, l.slices = slices, map[string]gp{}
	for _, s := range slices {
		l.slices[s] = l.load(s, "_base")
	}
}

// each writes the loop: unroll groups of four a turn, then single ones, then
// elements. Vectors that the body allots are free after it.
func (l *neonLoop) each(unroll int, body func()) {
	left := l.load(l.names[0], "_len")
	turn := func(label string, blocks, elements int) {
		l.op("SUBS $%d, %s", elements, left)
		l.op("BLT %sEnd", label)
		l.label(label)
		l.interleaved(blocks, body)
		for _, s := range l.names {
			l.op("ADD $%d, %s", 4*elements, l.slices[s])
		}
		l.op("SUBS $%d, %s", elements, left)
		l.op("BGE %s", label)
		l.label(label + "End")
		l.op("ADD $%d, %s", elements, left)
	}
	if unroll > 1 {
		turn("many", unroll, 4*unroll)
	}
	turn("four", 1, 4)
	l.tail = true
	turn("one", 1, 1)
	l.tail = false
}

// interleaved writes a body for each of so many groups, an instruction of each in turn:
// a processor holds some hundred instructions that wait for others, not many bodies
// one after the other.
func (l *neonLoop) interleaved(groups int, body func()) {
	start, before := l.body.Len(), l.vectors
	var parts [][]string
	for l.block = range groups {
		l.allotted = [32]bool{}
		body()
		parts = append(parts, strings.SplitAfter(string(l.body.Bytes()[start:]), "\n"))
		l.body.Truncate(start)
		for v, used := range l.allotted {
			l.vectors[v] = l.vectors[v] || used // the next body has others
		}
	}
	l.block = 0
	for i := range parts[0] {
		for _, part := range parts {
			l.body.WriteString(part[i])
		}
	}
	for v := range 32 - len(l.constants)/4 { // constants stay
		l.vectors[v] = before[v]
	}
}

func (l *neonLoop) end() {
	l.op("RET")
	l.neon.end()
}

// endWith returns the first lanes of vs, by the load and store of their size.
func (l *neonLoop) endWith(store string, vs ...vreg) {
	for i, v := range vs {
		l.op("%s %s, %s", store, v.f(), l.arg(l.results[i], ""))
	}
	l.end()
}

// at is where the body reads and writes.
func (l *neonLoop) at(slice string) string {
	return fmt.Sprintf("%d(%s)", 16*l.block, l.slices[slice])
}

// access is the instruction that loads or stores the body's lanes.
func (l *neonLoop) access() string {
	if l.tail {
		return "FMOVS"
	}
	return "FMOVQ"
}

func (l *neonLoop) read(slice string) vreg {
	v := l.vec()
	l.op("%s %s, %s", l.access(), l.at(slice), v.f())
	return v
}

func (l *neonLoop) write(v vreg, slice string) {
	l.op("%s %s, %s", l.access(), v.f(), l.at(slice))
}

// writeAcc writes v, or adds it to what is there where keep has ones.
func (l *neonLoop) writeAcc(v, keep vreg, slice string) {
	old := l.read(slice)
	l.and(old, old, keep)
	l.fadd(old, old, v)
	l.write(old, slice)
	l.free(old)
}

// keep is all ones when the argument acc is true, else zeros.
func (l *neonLoop) keep() vreg {
	flag, v := l.gp(), l.vec()
	l.op("MOVBU %s, %s", l.arg("acc", ""), flag)
	l.op("NEG %s, %s", flag, flag)
	l.op("VDUP %s, %s", flag, v.s4())
	return v
}

// scalar is a float32 argument, in the first lane.
func (l *neonLoop) scalar(name string) element {
	v := l.vec()
	l.op("FMOVS %s, %s", l.arg(name, ""), v.f())
	return element{v, 0}
}

// everywhere is a float32 argument in all lanes.
func (l *neonLoop) everywhere(name string) vreg {
	e := l.scalar(name)
	l.dup(e.vreg, e)
	return e.vreg
}

// sums allots accumulators of two float64 each.
func (l *neonLoop) sums(count int) []vreg {
	sums := make([]vreg, count)
	for i := range sums {
		sums[i] = l.vec()
		l.zero(sums[i])
	}
	return sums
}

// endWithSums adds the accumulators of each sum pairwise and returns the sums.
func (l *neonLoop) endWithSums(all ...[]vreg) {
	var totals []vreg
	for _, sums := range all {
		for ; len(sums) > 1; sums = sums[:len(sums)/2] {
			for i := range len(sums) / 2 {
				l.faddDoubles(sums[i], sums[i], sums[i+len(sums)/2])
			}
		}
		l.word(0x7e70d800|uint32(sums[0])<<5|uint32(sums[0]), "FADDP D%d, V%d.2D", sums[0], sums[0])
		totals = append(totals, sums[0])
	}
	l.endWith("FMOVD", totals...)
}

// reduceSum is Σ of the product of two or three slices. The lanes are widened
// before they are multiplied: a product of two float32 is exact in float64.
func (l *neonLoop) reduceSum(name string, slices ...string) {
	l.function(name, "func("+strings.Join(slices, ", ")+" []float32) float64", slices...)
	const unroll = 4
	sums := l.sums(2 * unroll)
	l.each(unroll, func() {
		var x []vreg
		for _, s := range slices {
			x = append(x, l.read(s))
		}
		for half := range 2 {
			sum := sums[2*l.block+half]
			wide := make([]vreg, len(x))
			for i := range x {
				wide[i] = l.vec()
				l.widen(wide[i], x[i], half == 1)
			}
			switch len(wide) {
			case 2:
				l.fmlaDoubles(sum, wide[0], wide[1])
			case 3:
				l.fmulDoubles(wide[1], wide[0], wide[1])
				l.fmlaDoubles(sum, wide[1], wide[2])
			}
			l.free(wide...)
		}
	})
	l.endWithSums(sums)
}

// maximum compares and chooses, since FMAX would return a NaN and FMAXNM lose the
// maximum to a signaling one.
func (l *neonLoop) maximum() {
	l.function("maximumNEON", "func(x []float32) float32", "x")
	const unroll = 4
	lowest := l.splat(math.Inf(-1))
	largest := make([]vreg, unroll)
	for i := range largest {
		largest[i] = l.vec()
		l.move(largest[i], lowest)
	}
	l.each(unroll, func() {
		x, greater := l.read("x"), l.vec()
		if l.tail {
			l.dup(x, element{x, 0})
		}
		l.fcmgt(greater, x, largest[l.block])
		l.choose(largest[l.block], x, greater)
	})
	l.fmax(largest[0], largest[0], largest[2])
	l.fmax(largest[1], largest[1], largest[3])
	l.fmax(largest[0], largest[0], largest[1])
	l.word(0x6e30f800|uint32(largest[0])<<5|uint32(largest[0]), "FMAXV S%d, V%d.4S", largest[0], largest[0])
	l.endWith("FMOVS", largest[0])
}

func (l *neonLoop) axpy() {
	l.function("axpyNEON", "func(alpha float32, x, y []float32)", "x", "y")
	alpha := l.scalar("alpha")
	l.each(4, func() {
		x, y := l.read("x"), l.read("y")
		l.fmlaBy(y, x, alpha)
		l.write(y, "y")
	})
	l.end()
}

func (l *neonLoop) scale() {
	l.function("scaleNEON", "func(y []float32, alpha float32, x []float32)", "x", "y")
	alpha := l.scalar("alpha")
	l.each(4, func() {
		x := l.read("x")
		l.fmulBy(x, x, alpha)
		l.write(x, "y")
	})
	l.end()
}

func (l *neonLoop) normWeights() {
	l.function("normWeightsNEON", "func(dw, db, x, dy []float32, alpha, shift float32)", "dw", "db", "x", "dy")
	alpha, shift := l.scalar("alpha"), l.everywhere("shift")
	l.each(2, func() {
		x, dy, dw, db := l.read("x"), l.read("dy"), l.read("dw"), l.read("db")
		l.fsub(x, x, shift)
		l.fmulBy(x, x, alpha)
		l.fmla(dw, x, dy)
		l.fadd(db, db, dy)
		l.write(dw, "dw")
		l.write(db, "db")
	})
	l.end()
}

func (l *neonLoop) add() {
	l.function("addNEON", "func(dst, a, b []float32)", "dst", "a", "b")
	l.each(4, func() {
		a, b := l.read("a"), l.read("b")
		l.fadd(a, a, b)
		l.write(a, "dst")
	})
	l.end()
}

func (l *neonLoop) mul() {
	l.function("mulNEON", "func(dst []float32, alpha float32, a, b []float32)", "dst", "a", "b")
	alpha := l.scalar("alpha")
	l.each(4, func() {
		a, b := l.read("a"), l.read("b")
		l.fmulBy(a, a, alpha)
		l.fmul(a, a, b)
		l.write(a, "dst")
	})
	l.end()
}

func (l *neonLoop) mulAdd() {
	l.function("mulAddNEON", "func(dst []float32, alpha float32, a, b []float32)", "dst", "a", "b")
	alpha := l.scalar("alpha")
	l.each(4, func() {
		a, b, d := l.read("a"), l.read("b"), l.read("dst")
		l.fmulBy(a, a, alpha)
		l.fmla(d, a, b)
		l.write(d, "dst")
	})
	l.end()
}

// adamw is one step of AdamW; the scalars are prepared by the caller.
func (l *neonLoop) adamw() {
	l.function("adamwNEON",
		"func(w, g, m, v []float32, decay, rest1, beta2, rest2, invRoot, eps, step float32)",
		"w", "g", "m", "v")
	decay, rest1, beta2, rest2 := l.scalar("decay"), l.scalar("rest1"), l.scalar("beta2"), l.scalar("rest2")
	invRoot, eps, step := l.scalar("invRoot"), l.everywhere("eps"), l.scalar("step")
	l.each(1, func() {
		w, g, m, v := l.read("w"), l.read("g"), l.read("m"), l.read("v")
		d := l.vec()
		l.fsub(d, g, m)
		l.fmlaBy(m, d, rest1)
		l.write(m, "m")
		l.fmul(g, g, g)
		l.fmulBy(g, g, rest2)
		l.fmlaBy(g, v, beta2)
		l.write(g, "v")
		l.fsqrt(g, g)
		l.move(d, eps)
		l.fmlaBy(d, g, invRoot)
		l.fdiv(m, m, d)
		l.fmulBy(w, w, decay)
		l.fmlsBy(w, m, step)
		l.write(w, "w")
	})
	l.end()
}
