package kernels

import "math"

// Attention among the kernels of TestTrust.

// An attentionDraw is a call of it in the reference: heads of sequences.
type attentionDraw struct {
	AttentionShape
	scale         float32
	mask          Mask
	q, k, v, bias *operand // bias may be nil
}

func (t *trial) attention() *attentionDraw {
	a := &attentionDraw{AttentionShape: AttentionShape{Batch: t.below(3), Queries: t.size(), KVHeads: 1 + t.below(2), Dim: t.below(20)}}
	a.Heads = a.KVHeads * (1 + t.below(2))
	switch {
	case t.large:
		a.Batch, a.Queries, a.Dim = 2, 129+t.below(10), 16
	case t.below(8) == 0:
		a.Dim = 64
	}
	a.Queries = min(a.Queries, 140)
	a.Keys = a.Queries
	if t.below(3) == 0 {
		a.Keys = t.size()
	}
	a.mask = t.mask(a.Batch, a.Keys)
	a.scale = float32(1 / math.Sqrt(float64(max(a.Dim, 1))))
	rows, keys := a.Batch*a.Queries, a.Batch*a.Keys
	a.q, a.k, a.v = t.in("q", rows, a.Heads*a.Dim), t.in("k", keys, a.KVHeads*a.Dim), t.in("v", keys, a.KVHeads*a.Dim)
	if t.coin() {
		a.bias = t.in("bias", a.Heads*a.Queries, a.Keys)
	}
	return a
}

// mask draws each part of a mask, or leaves it out.
func (t *trial) mask(batch, keys int) (m Mask) {
	m.Causal = t.coin()
	if t.below(3) == 0 {
		m.Offset = t.below(keys + 2)
	}
	if t.below(3) == 0 {
		m.Window = t.below(keys + 2)
	}
	edges := func() (at []int) {
		for range batch {
			at = append(at, t.below(keys+1))
		}
		return at
	}
	if t.below(3) == 0 {
		m.First = edges()
	}
	if t.below(3) == 0 {
		m.End = edges()
	}
	return m
}

// values returns the elements of an operand that may be nil, and its ld.
func (o *operand) values() ([]float32, int) {
	if o == nil {
		return nil, 0
	}
	return o.x, o.ld
}

// columns returns the first column of head h and of its keys.
func (a *attentionDraw) columns(h int) (query, key int) {
	return h * a.Dim, h / (a.Heads / a.KVHeads) * a.Dim
}

// scores are S_ij for the keys j that query i sees, which come first: their rows in k.
func (a *attentionDraw) scores(b, h, i int) (rows []int, scores []bounded) {
	query, key := a.columns(h)
	rows = seen(a.mask, b, i, a.Keys)
	scores = rowBounded(len(rows), func(j int) bounded {
		s := dotBounded(a.Dim,
			func(p int) bounded { return a.q.old(b*a.Queries+i, query+p) },
			func(p int) bounded { return a.k.old(b*a.Keys+rows[j], key+p) }).mul(exactly(a.scale))
		if a.bias != nil {
			s = s.add(a.bias.old(h*a.Queries+i, rows[j]))
		}
		return s
	})
	for j := range rows {
		rows[j] += b * a.Keys
	}
	return rows, scores
}

// eachHead calls f for every head of every sequence.
func (a *attentionDraw) eachHead(f func(b, h int)) {
	for b := range a.Batch {
		for h := range a.Heads {
			f(b, h)
		}
	}
}

// forward calls Attention.
func (a *attentionDraw) forward(y, lse *operand) {
	bias, ld := a.bias.values()
	Attention(a.AttentionShape, a.scale, a.mask, a.q.x, a.q.ld, a.k.x, a.k.ld, a.v.x, a.v.ld, bias, ld, y.x, y.ld, lse.x)
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
		rows := a.Batch * a.Queries
		y, lse := t.out("y", rows, a.Heads*a.Dim), t.out("lse", 1, rows*a.Heads)
		t.call = func() { a.forward(y, lse) }
		if a.Dim == 0 {
			return // lse is not computed
		}
		t.want(lse, false, func(_, row int) bounded {
			_, s := a.scores(row/a.Queries/a.Heads, row/a.Queries%a.Heads, row%a.Queries)
			if len(s) == 0 {
				return bounded{v: math.Inf(-1)}
			}
			_, total := exponentials(len(s), func(j int) bounded { return s[j] })
			return total.log().add(largestBounded(s))
		})
		t.wantRows(y, false, func(row int) (want []bounded) {
			for h := range a.Heads {
				_, key := a.columns(h)
				keys, s := a.scores(row/a.Queries, h, row%a.Queries)
				e, total := exponentials(len(s), func(j int) bounded { return s[j] })
				want = append(want, rowBounded(a.Dim, func(d int) bounded {
					return dotBounded(len(s), func(j int) bounded { return e[j].div(total) }, func(j int) bounded { return a.v.old(keys[j], key+d) })
				})...)
			}
			return want
		})
	}},
	{name: "AttentionGrad", finite: true, draw: func(t *trial) {
		a := t.attention()
		acc := t.coin()
		rows, keys, wide, narrow := a.Batch*a.Queries, a.Batch*a.Keys, a.Heads*a.Dim, a.KVHeads*a.Dim
		y, lse, dy := t.in("y", rows, wide), t.in("lse", 1, rows*a.Heads), t.in("dy", rows, wide)
		a.forward(y, lse)
		dq, dk, dv := t.out("dq", rows, wide), t.out("dk", keys, narrow), t.out("dv", keys, narrow)
		var dbias *operand
		if a.bias != nil && t.coin() {
			dbias = t.out("dbias", a.Heads*a.Queries, a.Keys)
		}
		t.call = func() {
			bias, ld := a.bias.values()
			d, ldd := dbias.values()
			AttentionGrad(a.AttentionShape, a.scale, a.mask, a.q.x, a.q.ld, a.k.x, a.k.ld, a.v.x, a.v.ld, bias, ld,
				y.x, y.ld, lse.x, dy.x, dy.ld, dq.x, dq.ld, dk.x, dk.ld, dv.x, dv.ld, d, ldd, acc)
		}
		var wantQ, wantK, wantV, wantBias [][]bounded
		reference := func() error {
			wantQ, wantK, wantV = dq.sums(acc), dk.sums(acc), dv.sums(acc)
			if dbias != nil {
				wantBias = dbias.sums(acc)
			}
			if a.Dim == 0 {
				return nil // lse is not computed
			}
			a.eachHead(func(b, h int) {
				query, key := a.columns(h)
				for i := range a.Queries {
					row := b*a.Queries + i
					dyOf := func(d int) bounded { return dy.old(row, query+d) }
					mean := dotBounded(a.Dim, dyOf, func(d int) bounded { return y.old(row, query+d) })
					keys, scores := a.scores(b, h, i)
					for j, s := range scores {
						p := s.sub(lse.old(0, (b*a.Heads+h)*a.Queries+i)).exp()
						dp := dotBounded(a.Dim, dyOf, func(d int) bounded { return a.v.old(keys[j], key+d) })
						plus := func(x *bounded, term bounded) { *x = x.add(term) }
						ds := p.mul(dp.sub(mean))
						if dbias != nil {
							plus(&wantBias[h*a.Queries+i][keys[j]-b*a.Keys], ds)
						}
						ds = ds.mul(exactly(a.scale))
						for d := range a.Dim {
							plus(&wantV[keys[j]][key+d], p.mul(dyOf(d)))
							plus(&wantQ[row][query+d], ds.mul(a.k.old(keys[j], key+d)))
							plus(&wantK[keys[j]][key+d], ds.mul(a.q.old(row, query+d)))
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
		if dbias != nil {
			t.wantRows(dbias, false, func(i int) []bounded { return wantBias[i] })
		}
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
