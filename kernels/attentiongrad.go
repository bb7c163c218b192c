package kernels

var (
	attentionGradSpans = spans[attention]{body: attention.backward}
	attentionSumSpans  = spans[attention]{body: attention.sum}
)

// The keys of a sequence are cut into parts of keyPart or more, keyParts at most.
// Where decides how dQ is rounded, so it depends on the tokens alone.
const (
	keyPart  = 512
	keyParts = 4
)

// splitKeys cuts the keys of a sequence into parts.
func (a *attention) splitKeys() {
	a.partSize = ceil(max(keyPart, ceil(a.tokens, keyParts)), kc) * kc
	a.parts = ceil(a.tokens, a.partSize)
}

// backward computes parts of the keys of groups of heads of all sequences, the
// first ones first: with causal they are seen by the most rows.
func (a attention) backward(from, to int) {
	pairs := a.batch * a.kvHeads
	for i := from; i < to; i++ {
		a.part(i%pairs/a.kvHeads, i%pairs%a.kvHeads, i/pairs)
	}
}

// sum adds the sums of dQ of the later parts of the keys.
func (a attention) sum(from, to int) {
	n := a.heads * a.dim
	for i := from; i < to; i++ {
		dq := a.dq.x[i*a.dq.row : i*a.dq.row+n]
		for p := 1; p < a.parts && p*a.partSize < a.keys(i%a.tokens+1); p++ {
			j := ((p-1)*a.batch*a.tokens + i) * n
			add(dq, dq, a.partial[j:j+n])
		}
	}
}

// An attentionPart is the working memory of a job that has one part of the keys.
type attentionPart struct {
	first, n             int    // the keys
	keysT, valuesT, keys side   // Kᵀ, Vᵀ and K
	dk, dv               matrix // the sums over the rows so far, dK without its scale

	// Of a block of rows:
	q, dy           matrix // q times the scale
	queries, slopes side   // Q and dY
	p, ds, dq       matrix
}

// part computes the gradients of one part of the keys of a group of heads of one
// sequence.
func (a *attention) part(b, group, part int) {
	s := shapes[a.level]
	first := part * a.partSize
	n, block := min(a.partSize, a.tokens-first), min(a.blockRows(), a.tokens)
	padded, ld := s.padded(a.dim), scoreLd(s, min(n, kc))
	flat, tall := sideSize(a.level, a.dim, n), sideSize(a.level, n, a.dim)
	short := sideSize(a.level, block, a.dim)
	spare := borrow(2*flat + tall + 2*n*padded + 2*short + block*(2*a.dim+2*ld+padded))
	defer spares.put(spare)
	free := *spare
	row := b * a.tokens
	k, v := a.k.at(row+first, group*a.dim), a.v.at(row+first, group*a.dim)
	g := attentionPart{
		first: first, n: n,
		keysT:   a.pack(&free, a.dim, n, k.transposed()),
		valuesT: a.pack(&free, a.dim, n, v.transposed()),
		keys:    a.pack(&free, n, a.dim, k),
		dk:      matrix{cut(&free, n*padded), padded, 1},
		dv:      matrix{cut(&free, n*padded), padded, 1},
		q:       matrix{cut(&free, block*a.dim), a.dim, 1},
		dy:      matrix{cut(&free, block*a.dim), a.dim, 1},
		queries: side{n: a.dim, x: cut(&free, short)},
		slopes:  side{n: a.dim, x: cut(&free, short)},
		p:       matrix{cut(&free, block*ld), ld, 1},
		ds:      matrix{cut(&free, block*ld), ld, 1},
		dq:      matrix{cut(&free, block*padded), padded, 1},
	}
	clear(g.dk.x)
	clear(g.dv.x)
	dq, acc := a.dq.at(row, 0), a.acc
	if part > 0 {
		n := a.heads * a.dim
		dq, acc = matrix{a.partial[((part-1)*a.batch*a.tokens+row)*n:], n, 1}, false
	}
	begin := 0
	if a.causal {
		begin = first / block * block
	}
	size := a.heads / a.kvHeads
	for h := group * size; h < (group+1)*size; h++ {
		for t := begin; t < a.tokens; t += block {
			rows := min(block, a.tokens-t)
			a.block(&g, b, h, t, rows)
			a.deliver(rows, a.scale, g.dq, dq.at(t, h*a.dim), acc)
		}
	}
	a.deliver(n, a.scale, g.dk, a.dk.at(row+first, group*a.dim), a.acc)
	a.deliver(n, 1, g.dv, a.dv.at(row+first, group*a.dim), a.acc)
}

// block computes what the rows of tokens t, …, t+rows-1 of a head contribute: dq,
// and sums in dk and dv.
func (a *attention) block(g *attentionPart, b, h, t, rows int) {
	at := func(m matrix) matrix { return m.at(b*a.tokens+t, h*a.dim) }
	q, y, dy := at(a.q), at(a.y), at(a.dy)
	lse := a.lse[(b*a.heads+h)*a.tokens+t:]
	var means [2 * scoreRows]float32
	for i := range rows {
		y, dy := y.x[i*y.row:i*y.row+a.dim], dy.x[i*dy.row:i*dy.row+a.dim]
		means[i] = float32(dot(dy, y))
		scale(g.q.x[i*a.dim:(i+1)*a.dim], a.scale, q.x[i*q.row:i*q.row+a.dim])
		copy(g.dy.x[i*a.dim:(i+1)*a.dim], dy)
	}
	g.queries.k, g.slopes.k = rows, rows
	g.queries.fill(a.level, q)
	g.slopes.fill(a.level, dy)
	clear(g.dq.x)
	for k0 := 0; k0 < g.n && g.first+k0 < a.keys(t+rows); k0 += kc {
		n := min(kc, g.n-k0)
		seen := func(row int) int { return max(0, min(a.keys(t+row+1)-g.first-k0, n)) }
		a.scores(rows, t, g.first+k0, g.q, g.keysT.columns(k0, n), g.p)
		a.scores(rows, t, g.first+k0, g.dy, g.valuesT.columns(k0, n), g.ds)
		for i := range rows {
			p, ds, mine := g.p.x[i*g.p.row:][:n], g.ds.x[i*g.ds.row:][:n], seen(i)
			scoreGrad(p[:mine], ds[:mine], lse[i], means[i])
			clear(p[mine:])
			clear(ds[mine:])
		}
		since := func(i, _, _ int) (int, int) { // the rows that see keys from i on
			if a.causal {
				return max(0, g.first+k0+i-t), rows
			}
			return 0, rows
		}
		a.tiles(n, g.p.transposed(), g.slopes, 0, g.dv.at(k0, 0), true, since)
		a.tiles(n, g.ds.transposed(), g.queries, 0, g.dk.at(k0, 0), true, since)
		a.tiles(rows, g.ds, g.keys, k0, g.dq, true, func(i, h, _ int) (int, int) { return 0, seen(i + h - 1) })
	}
}

// deliver writes rows of a head, times a factor, or adds them to what is there.
func (a *attention) deliver(rows int, factor float32, from, to matrix, acc bool) {
	for i := range rows {
		x, y := from.x[i*from.row:i*from.row+a.dim], to.x[i*to.row:i*to.row+a.dim]
		if acc {
			axpy(factor, x, y)
		} else {
			scale(y, factor, x)
		}
	}
}
