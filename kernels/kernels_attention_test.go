package kernels

import "math"

// Attention among the kernels of TestTrust.

// An attentionDraw is a call of it in the reference: heads of sequences.
type attentionDraw struct {
	batch, tokens, heads, kvHeads, dim int
	scale                              float32
	causal                             bool
	q, k, v                            *operand
}

func (t *trial) attention() *attentionDraw {
	a := &attentionDraw{batch: t.below(3), tokens: t.size(), kvHeads: 1 + t.below(2), dim: t.below(20), causal: t.coin()}
	a.heads = a.kvHeads * (1 + t.below(2))
	switch {
	case t.large:
		a.batch, a.tokens, a.dim = 2, 129+t.below(10), 16
	case t.below(8) == 0:
		a.dim = 64
	}
	a.tokens = min(a.tokens, 140)
	a.scale = float32(1 / math.Sqrt(float64(max(a.dim, 1))))
	rows := a.batch * a.tokens
	a.q, a.k, a.v = t.in("q", rows, a.heads*a.dim), t.in("k", rows, a.kvHeads*a.dim), t.in("v", rows, a.kvHeads*a.dim)
	return a
}

// row returns the row of token i of sequence b, and column the first column of head
// h and of its keys.
func (a *attentionDraw) row(b, i int) int { return b*a.tokens + i }

func (a *attentionDraw) columns(h int) (query, key int) {
	return h * a.dim, h / (a.heads / a.kvHeads) * a.dim
}

// scores are S_ij for the keys j that row i sees.
func (a *attentionDraw) scores(b, h, i int) []bounded {
	seen := a.tokens
	if a.causal {
		seen = i + 1
	}
	query, key := a.columns(h)
	return rowBounded(seen, func(j int) bounded {
		return dotBounded(a.dim,
			func(p int) bounded { return a.q.old(a.row(b, i), query+p) },
			func(p int) bounded { return a.k.old(a.row(b, j), key+p) }).mul(exactly(a.scale))
	})
}

// eachHead calls f for every head of every sequence.
func (a *attentionDraw) eachHead(f func(b, h int)) {
	for b := range a.batch {
		for h := range a.heads {
			f(b, h)
		}
	}
}

// sums are zeros, or what o was if acc is set, that a reference adds to.
func (o *operand) sums(acc bool) [][]bounded {
	m := make([][]bounded, o.rows)
	for i := range m {
		m[i] = make([]bounded, o.cols)
		for j := range m[i] {
			if acc {
				m[i][j] = o.old(i, j)
			}
		}
	}
	return m
}

var attentionKernels = []kernel{
	{name: "Attention", finite: true, draw: func(t *trial) {
		a := t.attention()
		rows := a.batch * a.tokens
		y, lse := t.out("y", rows, a.heads*a.dim), t.out("lse", 1, rows*a.heads)
		t.call = func() {
			Attention(a.batch, a.tokens, a.heads, a.kvHeads, a.dim, a.scale, a.causal, a.q.x, a.q.ld, a.k.x, a.k.ld, a.v.x, a.v.ld, y.x, y.ld, lse.x)
		}
		if a.dim == 0 {
			return // lse is not computed
		}
		head := func(row int) (b, h, i int) {
			return row / a.tokens / a.heads, row / a.tokens % a.heads, row % a.tokens
		}
		t.want(lse, false, func(_, row int) bounded {
			s := a.scores(head(row))
			_, total := exponentials(len(s), func(j int) bounded { return s[j] })
			return total.log().add(largestBounded(s))
		})
		t.wantRows(y, false, func(row int) (want []bounded) {
			b, i := row/a.tokens, row%a.tokens
			for h := range a.heads {
				_, key := a.columns(h)
				s := a.scores(b, h, i)
				e, total := exponentials(len(s), func(j int) bounded { return s[j] })
				want = append(want, rowBounded(a.dim, func(d int) bounded {
					return dotBounded(len(s), func(j int) bounded { return e[j].div(total) }, func(j int) bounded { return a.v.old(a.row(b, j), key+d) })
				})...)
			}
			return want
		})
	}},
	{name: "AttentionGrad", finite: true, draw: func(t *trial) {
		a := t.attention()
		acc := t.coin()
		rows, wide, narrow := a.batch*a.tokens, a.heads*a.dim, a.kvHeads*a.dim
		y, lse, dy := t.in("y", rows, wide), t.in("lse", 1, rows*a.heads), t.in("dy", rows, wide)
		Attention(a.batch, a.tokens, a.heads, a.kvHeads, a.dim, a.scale, a.causal, a.q.x, a.q.ld, a.k.x, a.k.ld, a.v.x, a.v.ld, y.x, y.ld, lse.x)
		dq, dk, dv := t.out("dq", rows, wide), t.out("dk", rows, narrow), t.out("dv", rows, narrow)
		t.call = func() {
			AttentionGrad(a.batch, a.tokens, a.heads, a.kvHeads, a.dim, a.scale, a.causal, a.q.x, a.q.ld, a.k.x, a.k.ld, a.v.x, a.v.ld,
				y.x, y.ld, lse.x, dy.x, dy.ld, dq.x, dq.ld, dk.x, dk.ld, dv.x, dv.ld, acc)
		}
		var wantQ, wantK, wantV [][]bounded
		reference := func() error {
			wantQ, wantK, wantV = dq.sums(acc), dk.sums(acc), dv.sums(acc)
			a.eachHead(func(b, h int) {
				query, key := a.columns(h)
				for i := range a.tokens {
					row := a.row(b, i)
					dyOf := func(d int) bounded { return dy.old(row, query+d) }
					mean := dotBounded(a.dim, dyOf, func(d int) bounded { return y.old(row, query+d) })
					for j, s := range a.scores(b, h, i) {
						other := a.row(b, j)
						p := s.sub(lse.old(0, (b*a.heads+h)*a.tokens+i)).exp()
						dp := dotBounded(a.dim, dyOf, func(d int) bounded { return a.v.old(other, key+d) })
						ds := p.mul(dp.sub(mean)).mul(exactly(a.scale))
						for d := range a.dim {
							plus := func(x *bounded, term bounded) { *x = x.add(term) }
							plus(&wantV[other][key+d], p.mul(dyOf(d)))
							plus(&wantQ[row][query+d], ds.mul(a.k.old(other, key+d)))
							plus(&wantK[other][key+d], ds.mul(a.q.old(row, query+d)))
						}
					}
				}
			})
			return nil
		}
		t.wantThat(reference)
		t.wantRows(dq, false, func(i int) []bounded { return wantQ[i] })
		t.wantRows(dk, false, func(i int) []bounded { return wantK[i] })
		t.wantRows(dv, false, func(i int) []bounded { return wantV[i] })
	}},
}

// largestBounded is the largest of x.
func largestBounded(x []bounded) bounded {
	top := x[0]
	for _, b := range x {
		if b.v > top.v {
			top = b
		}
	}
	return top
}
