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
	causal                                  bool

	q, k, v, y, lse, dy, dq, dk, dv *guarded
}

func (c attentionCase) String() string {
	return fmt.Sprintf("batch=%d tokens=%d heads=%d kvHeads=%d dim=%d pad=%d causal=%t",
		c.batch, c.tokens, c.heads, c.kvHeads, c.dim, c.pad, c.causal)
}

func (c attentionCase) scale() float32 { return float32(1 / math.Sqrt(float64(c.dim))) }

// attentionCases are one token, the edges of a block of rows, and more than two,
// with one head, groups of heads and as many keys as queries, and long sequences.
func attentionCases() []attentionCase {
	var cases []attentionCase
	for i, tokens := range []int{1, 2, 17, 64, 65, 130} {
		for _, causal := range []bool{false, true} {
			cases = append(cases,
				attentionCase{batch: 2, tokens: tokens, heads: 4, kvHeads: 2, dim: 16, pad: i, causal: causal},
				attentionCase{batch: 1, tokens: tokens, heads: 3, kvHeads: 1, dim: 7, pad: 0, causal: causal},
				attentionCase{batch: 1, tokens: tokens, heads: 2, kvHeads: 2, dim: 64, pad: 3, causal: causal})
		}
	}
	for _, causal := range []bool{false, true} { // more than one part of the keys; panels of odd widths
		cases = append(cases,
			attentionCase{batch: 2, tokens: 530, heads: 2, kvHeads: 1, dim: 3, pad: 1, causal: causal},
			attentionCase{batch: 1, tokens: 140, heads: 1, kvHeads: 1, dim: 100, pad: 5, causal: causal})
	}
	return append(cases, attentionCase{batch: 1, tokens: 1100, heads: 1, kvHeads: 1, dim: 4, causal: true},
		attentionCase{batch: 0, tokens: 3, heads: 1, kvHeads: 1, dim: 4},
		attentionCase{batch: 1, tokens: 0, heads: 1, kvHeads: 1, dim: 4})
}

func (c attentionCase) draw() *attentionCase {
	rows, wide, narrow := c.batch*c.tokens, c.heads*c.dim, c.kvHeads*c.dim
	c.q = newGuarded("q", rows, wide, wide+c.pad, normal(1))
	c.k = newGuarded("k", rows, narrow, narrow+2*c.pad, normal(2))
	c.v = newGuarded("v", rows, narrow, narrow+c.pad, normal(3))
	c.y = newGuarded("y", rows, wide, wide+3*c.pad, normal(4))
	c.lse = newGuarded("lse", 1, rows*c.heads, rows*c.heads, normal(5))
	c.dy = newGuarded("dy", rows, wide, wide+c.pad, normal(6))
	c.dq = newGuarded("dq", rows, wide, wide+c.pad, normal(7))
	c.dk = newGuarded("dk", rows, narrow, narrow+c.pad, normal(8))
	c.dv = newGuarded("dv", rows, narrow, narrow+2*c.pad, normal(9))
	return &c
}

func (c *attentionCase) forward() {
	Attention(c.batch, c.tokens, c.heads, c.kvHeads, c.dim, c.scale(), c.causal,
		c.q.x, c.q.ld, c.k.x, c.k.ld, c.v.x, c.v.ld, c.y.x, c.y.ld, c.lse.x)
}

func (c *attentionCase) backward(acc bool) {
	AttentionGrad(c.batch, c.tokens, c.heads, c.kvHeads, c.dim, c.scale(), c.causal,
		c.q.x, c.q.ld, c.k.x, c.k.ld, c.v.x, c.v.ld, c.y.x, c.y.ld, c.lse.x, c.dy.x, c.dy.ld,
		c.dq.x, c.dq.ld, c.dk.x, c.dk.ld, c.dv.x, c.dv.ld, acc)
}

// A naive is attention in float64, on matrices without gaps, all scores at once.
type naive struct {
	*attentionCase
	q, k, v, y, lse, dq, dk, dv []float64
	largest                     float64 // of the scores
}

func (c *attentionCase) naive() *naive {
	n := &naive{attentionCase: c}
	all := func(g *guarded) []float64 {
		var x []float64
		for i := range g.rows {
			x = append(x, g.doubles(i)...)
		}
		return x
	}
	n.q, n.k, n.v = all(c.q), all(c.k), all(c.v)
	return n
}

// heads calls f with the offsets of each row of queries and of the first row of
// keys, for every head, and with the number of keys seen.
func (n *naive) each(f func(row, qi, k0, seen int)) {
	for b := range n.batch {
		for h := range n.heads {
			for i := range n.tokens {
				seen := n.tokens
				if n.causal {
					seen = i + 1
				}
				group := h / (n.heads / n.kvHeads)
				f((b*n.heads+h)*n.tokens+i, ((b*n.tokens+i)*n.heads+h)*n.dim, (b*n.tokens*n.kvHeads+group)*n.dim, seen)
			}
		}
	}
}

func (n *naive) probabilities(qi, k0, seen int) (p []float64, lse float64) {
	p = make([]float64, seen)
	top, total := math.Inf(-1), 0.0
	for j := range p {
		for d := range n.dim {
			p[j] += float64(n.scale()) * n.q[qi+d] * n.k[k0+j*n.kvHeads*n.dim+d]
		}
		top = max(top, p[j])
		n.largest = max(n.largest, math.Abs(p[j]))
	}
	for j := range p {
		p[j] = math.Exp(p[j] - top)
		total += p[j]
	}
	for j := range p {
		p[j] /= total
	}
	return p, top + math.Log(total)
}

func (n *naive) forward() *naive {
	n.y, n.lse = make([]float64, len(n.q)), make([]float64, n.batch*n.heads*n.tokens)
	n.each(func(row, qi, k0, seen int) {
		p, lse := n.probabilities(qi, k0, seen)
		n.lse[row] = lse
		for j, pj := range p {
			for d := range n.dim {
				n.y[qi+d] += pj * n.v[k0+j*n.kvHeads*n.dim+d]
			}
		}
	})
	return n
}

func (n *naive) backward(dy []float64) {
	n.dq, n.dk, n.dv = make([]float64, len(n.q)), make([]float64, len(n.k)), make([]float64, len(n.v))
	n.each(func(row, qi, k0, seen int) {
		p, _ := n.probabilities(qi, k0, seen)
		dp, mean := make([]float64, seen), 0.0
		for j := range p {
			kj := k0 + j*n.kvHeads*n.dim
			for d := range n.dim {
				dp[j] += dy[qi+d] * n.v[kj+d]
				n.dv[kj+d] += p[j] * dy[qi+d]
			}
			mean += p[j] * dp[j]
		}
		for j := range p {
			kj, ds := k0+j*n.kvHeads*n.dim, float64(n.scale())*p[j]*(dp[j]-mean)
			for d := range n.dim {
				n.dq[qi+d] += ds * n.k[kj+d]
				n.dk[kj+d] += ds * n.q[qi+d]
			}
		}
	})
}

// The reference itself against central differences.
func TestNaiveAttention(t *testing.T) {
	for _, causal := range []bool{false, true} {
		n := attentionCase{batch: 2, tokens: 5, heads: 4, kvHeads: 2, dim: 3, causal: causal}.draw().naive().forward()
		dy := make([]float64, len(n.y))
		for i := range dy {
			dy[i] = math.Sin(float64(i))
		}
		n.backward(dy)
		for name, x := range map[string]struct{ at, got []float64 }{"dq": {n.q, n.dq}, "dk": {n.k, n.dk}, "dv": {n.v, n.dv}} {
			want := gradient(func([]float64) []float64 { return slices.Clone(n.forward().y) }, x.at, dy)
			for i := range want {
				if math.Abs(x.got[i]-want[i]) > 1e-8 {
					t.Fatalf("causal=%t: %s[%d] = %g, differences give %g", causal, name, i, x.got[i], want[i])
				}
			}
		}
	}
}

// A score errs by some units of itself, as roundings of dim terms grow like its
// size, and P by as much in relation to itself; a row of y is an average of v, |v| <
// 5. A gradient sums dim terms and one for each key, query and head of a group, and
// roundings of that many grow like the root. Measured: 0.6 and 0.2 of these bounds.
func TestAttention(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, c := range attentionCases() {
			c := c.draw()
			s := rowSize{c.batch * c.tokens, c.heads * c.dim, c.pad}
			n := c.naive().forward()
			c.forward()
			bound := 5 * unit * (1 + n.largest)
			checkRows(t, s, c.y, n.y, bound)
			checkRows(t, s, c.lse, n.lse, bound)
			checkReadOnly(t, s, c.q, c.k, c.v)

			c.y.freeze()
			c.lse.freeze()
			var dy []float64
			for i := range c.dy.rows {
				dy = append(dy, c.dy.doubles(i)...)
			}
			n.backward(dy)
			bound *= math.Sqrt(float64(c.dim + c.tokens*c.heads/max(c.kvHeads, 1)))
			for _, acc := range []bool{false, true} {
				for _, d := range []*guarded{c.dq, c.dk, c.dv} {
					copy(d.all, d.before)
				}
				c.backward(acc)
				for _, d := range []struct {
					got  *guarded
					want []float64
				}{{c.dq, n.dq}, {c.dk, n.dk}, {c.dv, n.dv}} {
					want := slices.Clone(d.want)
					for i := range want {
						want[i] += d.got.was(acc, i/d.got.cols, i%d.got.cols)
					}
					checkRows(t, s, d.got, want, bound)
				}
				checkReadOnly(t, s, c.q, c.k, c.v, c.y, c.lse, c.dy)
			}
		}
	})
}

// The same bits for any number of threads, for a sequence alone and in a batch,
// and for the first tokens of a causal sequence whatever follows.
func TestAttentionBits(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, causal := range []bool{false, true} {
			checkAttentionBits(t, attentionCase{batch: 3, tokens: 150, heads: 4, kvHeads: 2, dim: 24, causal: causal})
			checkAttentionBits(t, attentionCase{batch: 3, tokens: 530, heads: 2, kvHeads: 1, dim: 5, causal: causal})
		}
	})
}

func checkAttentionBits(t *testing.T, c attentionCase) {
	t.Helper()
	whole := c.draw()
	whole.forward()
	whole.backward(false)
	results := func(c *attentionCase) [][]float32 {
		return [][]float32{c.y.x, c.lse.x, c.dq.x, c.dk.x, c.dv.x}
	}
	err := onThreads(func() error {
		again := c.draw()
		again.forward()
		again.backward(false)
		for i, x := range results(again) {
			if err := sameBits(x, results(whole)[i]); err != nil {
				return fmt.Errorf("result %d: %w", i, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v: %v", c, err)
	}

	one := c
	one.batch = 1
	alone := one.draw()
	copy(alone.q.x, whole.q.x[c.tokens*whole.q.ld:])
	copy(alone.k.x, whole.k.x[c.tokens*whole.k.ld:])
	copy(alone.v.x, whole.v.x[c.tokens*whole.v.ld:])
	copy(alone.dy.x, whole.dy.x[c.tokens*whole.dy.ld:])
	alone.forward()
	alone.backward(false)
	for i, x := range results(alone) {
		if err := sameBits(x, results(whole)[i][len(x):2*len(x)]); err != nil {
			t.Fatalf("%v: the second sequence alone, result %d: %v", c, i, err)
		}
	}

	if c.causal {
		one.tokens = 71
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

// Scores of 200 overflow exp without the largest subtracted.
func TestAttentionLargeScores(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		q, k, v := []float32{200, 200}, []float32{1, -1}, []float32{3, 5}
		y, lse := make([]float32, 2), make([]float32, 2)
		Attention(1, 2, 1, 1, 1, 1, false, q, 1, k, 1, v, 1, y, 1, lse)
		for i := range y {
			if y[i] != 3 || lse[i] != 200 {
				t.Errorf("row %d: y %v, lse %v, want 3, 200", i, y[i], lse[i])
			}
		}
	})
}

func TestAttentionAllocations(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		c := attentionCase{batch: 1, tokens: 530, heads: 2, kvHeads: 1, dim: 4, causal: true}.draw()
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

func benchAttention(b *testing.B, flops float64, run func(c *attentionCase)) {
	for _, tokens := range []int{128, 256, 512, 1024, 2048} {
		b.Run(fmt.Sprintf("heads=8/dim=64/tokens=%d", tokens), func(b *testing.B) {
			c := attentionCase{batch: 1, tokens: tokens, heads: 8, kvHeads: 8, dim: 64, causal: true}.draw()
			c.forward()
			eachLevelBench(b, func(b *testing.B) {
				for b.Loop() {
					run(c)
				}
				reportFlops(b, flops*float64(b.N)*float64(c.heads*c.dim*tokens*(tokens+1)/2))
			})
		})
	}
}

func BenchmarkAttention(b *testing.B) { benchAttention(b, 4, (*attentionCase).forward) }

func BenchmarkAttentionGrad(b *testing.B) {
	benchAttention(b, 10, func(c *attentionCase) { c.backward(false) })
}
