package kernels

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// An attentionCase is one call on guarded operands.
type attentionCase struct {
	batch, tokens, heads, kvHeads, dim, pad int
	keys                                    int // 0: as many as tokens
	mask                                    Mask
	biased                                  bool

	q, k, v, bias, y, lse, dy, dq, dk, dv, dbias *guarded
}

func (c attentionCase) String() string {
	return fmt.Sprintf("batch=%d tokens=%d keys=%d heads=%d kvHeads=%d dim=%d pad=%d mask=%+v bias=%t",
		c.batch, c.tokens, c.keys, c.heads, c.kvHeads, c.dim, c.pad, c.mask, c.biased)
}

func (c attentionCase) scale() float32 { return float32(1 / math.Sqrt(float64(c.dim))) }

func (c attentionCase) shape() AttentionShape {
	return AttentionShape{c.batch, c.tokens, c.keys, c.heads, c.kvHeads, c.dim}
}

var causal = Mask{Causal: true}

// attentionCases are one token, the edges of a block of rows, and more than two,
// with one head, groups of heads and as many keys as queries, and long sequences;
// then other numbers of keys, and all that a mask says, alone and together.
func attentionCases() []attentionCase {
	var cases []attentionCase
	for i, tokens := range []int{1, 2, 17, 64, 65, 130} {
		for _, mask := range []Mask{{}, causal} {
			cases = append(cases,
				attentionCase{batch: 2, tokens: tokens, heads: 4, kvHeads: 2, dim: 16, pad: i, mask: mask},
				attentionCase{batch: 1, tokens: tokens, heads: 3, kvHeads: 1, dim: 7, pad: 0, mask: mask},
				attentionCase{batch: 1, tokens: tokens, heads: 2, kvHeads: 2, dim: 64, pad: 3, mask: mask})
		}
	}
	for _, mask := range []Mask{{}, causal} { // more than one block of keys; panels of odd widths
		cases = append(cases,
			attentionCase{batch: 2, tokens: 530, heads: 2, kvHeads: 1, dim: 3, pad: 1, mask: mask},
			attentionCase{batch: 1, tokens: 140, heads: 1, kvHeads: 1, dim: 100, pad: 5, mask: mask})
	}
	for i, c := range []attentionCase{
		{tokens: 3, keys: 20},
		{tokens: 90, keys: 11, biased: true},
		{tokens: 1, keys: 400, mask: Mask{Causal: true, Offset: 399}},
		{tokens: 7, keys: 400, mask: Mask{Causal: true, Offset: 380}, biased: true},
		{tokens: 80, keys: 80, mask: Mask{End: []int{80, 61, 0}}},
		{tokens: 80, keys: 80, mask: Mask{First: []int{0, 13, 80}, Causal: true}},
		{tokens: 130, keys: 130, mask: Mask{First: []int{90, 1, 3}, End: []int{120, 17, 2}}, biased: true},
		{tokens: 150, keys: 150, mask: Mask{Window: 20, Causal: true}},
		{tokens: 150, keys: 150, mask: Mask{Window: 1, Causal: true}},
		{tokens: 150, keys: 150, mask: Mask{Window: 9}, biased: true},
		{tokens: 100, keys: 900, mask: Mask{Window: 50, Causal: true, Offset: 700, First: []int{0, 740, 5}, End: []int{900, 760, 900}}},
		{tokens: 900, keys: 900, mask: Mask{Window: 70, Causal: true}},
		{tokens: 30, keys: 4, mask: Mask{Window: 3, Offset: 2}},
		{tokens: 30, keys: 30, biased: true},
	} {
		c.batch, c.heads, c.kvHeads, c.dim, c.pad = 3, 2, 1+i%2, 5+3*i%20, i%4
		cases = append(cases, c)
	}
	return append(cases, attentionCase{batch: 1, tokens: 1100, heads: 1, kvHeads: 1, dim: 4, mask: causal},
		attentionCase{batch: 0, tokens: 3, heads: 1, kvHeads: 1, dim: 4, biased: true},
		attentionCase{batch: 1, tokens: 0, keys: 3, heads: 1, kvHeads: 1, dim: 4},
		attentionCase{batch: 2, tokens: 3, mask: Mask{End: []int{0, 0}}, heads: 1, kvHeads: 1, dim: 4})
}

// draw draws the operands. The keys that are padding are canaries.
func (c attentionCase) draw() *attentionCase {
	if c.keys == 0 {
		c.keys = c.tokens
	}
	rows, keys, wide, narrow := c.batch*c.tokens, c.batch*c.keys, c.heads*c.dim, c.kvHeads*c.dim
	c.q = newGuarded("q", rows, wide, wide+c.pad, normal(1))
	c.k = newGuarded("k", keys, narrow, narrow+2*c.pad, normal(2))
	c.v = newGuarded("v", keys, narrow, narrow+c.pad, normal(3))
	c.y = newGuarded("y", rows, wide, wide+3*c.pad, normal(4))
	c.lse = newGuarded("lse", 1, rows*c.heads, rows*c.heads, normal(5))
	c.dy = newGuarded("dy", rows, wide, wide+c.pad, normal(6))
	c.dq = newGuarded("dq", rows, wide, wide+c.pad, normal(7))
	c.dk = newGuarded("dk", keys, narrow, narrow+c.pad, normal(8))
	c.dv = newGuarded("dv", keys, narrow, narrow+2*c.pad, normal(9))
	c.bias, c.dbias = &guarded{name: "bias"}, &guarded{name: "dbias"}
	if c.biased {
		c.bias = newGuarded("bias", c.heads*c.tokens, c.keys, c.keys+c.pad, normal(10))
		c.dbias = newGuarded("dbias", c.heads*c.tokens, c.keys, c.keys+2*c.pad, normal(11))
	}
	for _, g := range []*guarded{c.k, c.v} {
		for row := range g.rows {
			if b, key := row/c.keys, row%c.keys; c.mask.First != nil && key < c.mask.First[b] || c.mask.End != nil && key >= c.mask.End[b] {
				for j := range g.cols {
					g.x[row*g.ld+j] = canary
				}
			}
		}
		g.freeze()
	}
	return &c
}

func (c *attentionCase) forward() {
	Attention(c.shape(), c.scale(), c.mask, c.q.x, c.q.ld, c.k.x, c.k.ld, c.v.x, c.v.ld, c.bias.x, c.bias.ld, c.y.x, c.y.ld, c.lse.x)
}

func (c *attentionCase) backward(acc bool) {
	AttentionGrad(c.shape(), c.scale(), c.mask, c.q.x, c.q.ld, c.k.x, c.k.ld, c.v.x, c.v.ld, c.bias.x, c.bias.ld,
		c.y.x, c.y.ld, c.lse.x, c.dy.x, c.dy.ld, c.dq.x, c.dq.ld, c.dk.x, c.dk.ld, c.dv.x, c.dv.ld, c.dbias.x, c.dbias.ld, acc)
}

// A score errs by some units of itself, as roundings of dim terms grow like its
// size, and P by as much in relation to itself; a row of y is an average of v, |v| <
// 5. A gradient sums dim terms and one for each key, query and head of a group, and
// roundings of that many grow like the root. Measured: 0.8 and 0.2 of these bounds.
func TestAttention(t *testing.T) {
	var references []*naive
	for _, c := range attentionCases() {
		c := c.draw()
		n := c.naive().forward()
		n.backward(all(c.dy))
		references = append(references, n)
	}
	eachLevel(t, func(t *testing.T) {
		for i, c := range attentionCases() {
			n, c := references[i], c.draw()
			s := rowSize{c.batch * c.tokens, c.heads * c.dim, c.pad}
			c.forward()
			bound := 8 * unit * (1 + n.largest)
			checkRows(t, s, c.y, n.y, bound)
			checkLogSums(t, c, n.lse, bound)
			checkReadOnly(t, s, c.q, c.k, c.v, c.bias)

			c.y.freeze()
			c.lse.freeze()
			bound *= math.Sqrt(float64(c.dim + max(c.tokens, c.keys)*c.heads/max(c.kvHeads, 1)))
			for _, acc := range []bool{false, true} {
				for _, d := range []*guarded{c.dq, c.dk, c.dv, c.dbias} {
					copy(d.all, d.before)
				}
				c.backward(acc)
				for _, d := range []struct {
					got  *guarded
					want []float64
				}{{c.dq, n.dq}, {c.dk, n.dk}, {c.dv, n.dv}, {c.dbias, n.dbias}} {
					want := slices.Clone(d.want)[:d.got.rows*d.got.cols]
					for i := range want {
						want[i] += d.got.was(acc, i/d.got.cols, i%d.got.cols)
					}
					checkRows(t, s, d.got, want, bound)
				}
				checkReadOnly(t, s, c.q, c.k, c.v, c.bias, c.y, c.lse, c.dy)
			}
		}
	})
}

// checkLogSums compares lse with want, of which those of no key at all are -Inf.
func checkLogSums(t *testing.T, c *attentionCase, want []float64, bound float64) {
	t.Helper()
	for i, got := range c.lse.x {
		if d := math.Abs(float64(got) - want[i]); !(d <= bound) && float64(got) != want[i] {
			t.Fatalf("%v: lse[%d] = %g, want %g ± %.2g", c, i, got, want[i], bound)
		}
	}
	if err := c.lse.check(false); err != nil {
		t.Fatalf("%v: %v", c, err)
	}
}

// The same bits for any number of threads, for a sequence alone and in a batch,
// and for the first tokens of a causal sequence whatever follows.
func TestAttentionBits(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, c := range []attentionCase{
			{batch: 3, tokens: 150, heads: 4, kvHeads: 2, dim: 24},
			{batch: 3, tokens: 150, heads: 4, kvHeads: 2, dim: 24, mask: causal},
			{batch: 3, tokens: 530, heads: 2, kvHeads: 1, dim: 5},
			{batch: 3, tokens: 530, heads: 2, kvHeads: 1, dim: 5, mask: causal},
			{batch: 2, tokens: 100, keys: 800, heads: 2, kvHeads: 1, dim: 5, mask: Mask{Causal: true, Offset: 700, Window: 300, First: []int{9, 9}}},
			{batch: 2, tokens: 150, heads: 2, kvHeads: 2, dim: 5, mask: Mask{Window: 40, End: []int{149, 149}}},
		} {
			checkAttentionBits(t, c)
			if c.tokens <= 150 {
				c.biased = true
				checkThreads(t, c)
			}
		}
	})
}

func checkAttentionBits(t *testing.T, c attentionCase) {
	t.Helper()
	whole := checkThreads(t, c)
	one := c
	one.batch, one.keys = 1, whole.keys
	alone := one.draw()
	copy(alone.q.x, whole.q.x[c.tokens*whole.q.ld:])
	copy(alone.k.x, whole.k.x[whole.keys*whole.k.ld:])
	copy(alone.v.x, whole.v.x[whole.keys*whole.v.ld:])
	copy(alone.dy.x, whole.dy.x[c.tokens*whole.dy.ld:])
	if c.mask.First != nil {
		alone.mask.First = c.mask.First[1:2]
	}
	if c.mask.End != nil {
		alone.mask.End = c.mask.End[1:2]
	}
	alone.forward()
	alone.backward(false)
	for i, x := range alone.results() {
		if err := sameBits(x, whole.results()[i][len(x):2*len(x)]); err != nil {
			t.Fatalf("%v: the second sequence alone, result %d: %v", c, i, err)
		}
	}

	if c.mask.Causal && c.keys == 0 {
		one.tokens, one.keys = 71, 71
		short := one.draw()
		copy(short.q.x, whole.q.x)
		copy(short.k.x, whole.k.x)
		copy(short.v.x, whole.v.x)
		short.forward()
		if err := sameBits(short.y.x, whole.y.x[:len(short.y.x)]); err != nil {
			t.Fatalf("%v: the first 71 tokens alone: %v", c, err)
		}
	}
}

func (c *attentionCase) results() [][]float32 {
	return [][]float32{c.y.x, c.lse.x, c.dq.x, c.dk.x, c.dv.x, c.dbias.x}
}

// checkThreads returns the case with its results, which are the same for any number of
// threads.
func checkThreads(t *testing.T, c attentionCase) *attentionCase {
	t.Helper()
	whole := c.draw()
	whole.forward()
	whole.backward(false)
	err := onThreads(func() error {
		again := c.draw()
		again.forward()
		again.backward(false)
		for i, x := range again.results() {
			if err := sameBits(x, whole.results()[i]); err != nil {
				return fmt.Errorf("result %d: %w", i, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v: %v", c, err)
	}
	return whole
}

// The last queries of a causal sequence, at their offset over all its keys, have the
// bits that they have in the whole: a cache of keys changes nothing.
func TestAttentionCache(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		whole := attentionCase{batch: 1, tokens: 500, heads: 4, kvHeads: 2, dim: 20, mask: causal}.draw()
		whole.forward()
		for _, n := range []int{1, 2, 130} {
			c := attentionCase{batch: 1, tokens: n, keys: 500, heads: 4, kvHeads: 2, dim: 20, mask: Mask{Causal: true, Offset: 500 - n}}.draw()
			last := func(g *guarded) []float32 { return g.x[(500-n)*g.ld:] }
			copy(c.q.x, last(whole.q))
			c.forward()
			if err := sameBits(c.y.x, last(whole.y)); err != nil {
				t.Errorf("the last %d queries: %v", n, err)
			}
		}
	})
}

// A bias of -Inf is a mask, also where it leaves a query or a block of keys nothing; a
// NaN among what a query sees is no such thing.
func TestAttentionInfiniteBias(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		none := float32(math.Inf(-1))
		shape := attentionCase{batch: 1, tokens: 3, keys: 800, heads: 1, kvHeads: 1, dim: 4, biased: true}
		biased, masked := shape.draw(), shape
		for j := range 800 {
			if j < 400 || j >= 790 {
				biased.bias.x[j] = none
			} else {
				biased.bias.x[j] = 0
			}
			biased.bias.x[biased.bias.ld+j] = none
		}
		biased.q.x[2*biased.q.ld] = float32(math.NaN())
		biased.forward()
		biased.backward(false)

		masked.tokens, masked.biased, masked.mask = 1, false, Mask{First: []int{400}, End: []int{790}}
		want := masked.draw()
		copy(want.k.x, biased.k.x)
		copy(want.v.x, biased.v.x)
		want.forward()
		want.backward(false)
		for d := range 4 {
			if got, want := biased.y.x[d], want.y.x[d]; math.Abs(float64(got-want)) > 16*unit { // sums of 390 terms, in another order
				t.Errorf("y[0][%d] = %g with a bias of -Inf, %g with a mask", d, got, want)
			}
			if got, want := biased.dq.x[d], want.dq.x[d]; math.Abs(float64(got-want)) > 64*unit {
				t.Errorf("dq[0][%d] = %g with a bias of -Inf, %g with a mask", d, got, want)
			}
			if y, dq := biased.y.x[biased.y.ld+d], biased.dq.x[biased.dq.ld+d]; y != 0 || dq != 0 {
				t.Errorf("a query that sees no key gives y %g and dq %g", y, dq)
			}
			if y := biased.y.x[2*biased.y.ld+d]; y == y {
				t.Errorf("a query of NaN gives %g", y)
			}
		}
		if got := biased.lse.x[1]; got != none {
			t.Errorf("lse of a query that sees no key is %g", got)
		}
	})
}

// Scores of 200 overflow exp without the largest subtracted.
func TestAttentionLargeScores(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		q, k, v := []float32{200, 200}, []float32{1, -1}, []float32{3, 5}
		y, lse := make([]float32, 2), make([]float32, 2)
		Attention(AttentionShape{1, 2, 2, 1, 1, 1}, 1, Mask{}, q, 1, k, 1, v, 1, nil, 0, y, 1, lse)
		for i := range y {
			if y[i] != 3 || lse[i] != 200 {
				t.Errorf("row %d: y %v, lse %v, want 3, 200", i, y[i], lse[i])
			}
		}
	})
}

func TestAttentionAllocations(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		c := attentionCase{batch: 1, tokens: 530, heads: 2, kvHeads: 1, dim: 4, mask: causal}.draw()
		step := func() {
			c.forward()
			c.backward(false)
		}
		for range 20 { // until every thread has its memory
			step()
		}
		if n := testing.AllocsPerRun(20, step); n >= 1 {
			t.Errorf("%v allocations a step, want none", n)
		}
	})
}
