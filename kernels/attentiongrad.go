package kernels

import "math"

var (
	attentionGradSpans = spans[attention]{body: attention.keyJobs}
	attentionSumSpans  = spans[attention]{body: attention.sum}
)

// The keys of a sequence are cut into parts of keyPart or more, keyParts at most.
// Where decides how dQ is rounded, so it depends on the number of keys alone.
const (
	keyPart  = 2 * keysAtOnce
	keyParts = 4
)

// backward computes the gradients.
func (a attention) backward() {
	rows, n := a.Batch*a.Queries, a.Heads*a.Dim
	if !a.acc {
		clearRows(a.dbias, a.Heads*a.Queries, a.Keys)
		if a.Keys == 0 {
			clearRows(a.dq, rows, n)
		}
	}
	if a.Batch*n*a.Keys == 0 {
		return
	}
	a.partSize = ceil(max(keyPart, ceil(a.Keys, keyParts)), keysAtOnce) * keysAtOnce
	a.parts = ceil(a.Keys, a.partSize)
	spare := borrow((a.parts - 1) * rows * n)
	defer spares.put(spare)
	a.partial = *spare
	if a.sequences = 1; a.dbias.x != nil {
		a.sequences = a.Batch
	}
	attentionGradSpans.run(a.Batch/a.sequences*a.KVHeads*a.parts, 1, a)
	if a.parts > 1 {
		attentionSumSpans.rows(rows, n, a)
	}
}

// clearRows clears n columns of m, if it is there.
func clearRows(m matrix, rows, n int) {
	if m.x == nil || n == 0 {
		return
	}
	for i := range rows {
		clear(m.x[i*m.row:][:n])
	}
}

// keyJobs computes parts of the keys of groups of heads, the first ones first: with
// Causal they are seen by the most queries.
func (a attention) keyJobs(from, to int) {
	groups := a.Batch / a.sequences * a.KVHeads
	for i := from; i < to; i++ {
		for b := range a.sequences {
			a.part(b*a.KVHeads+i%groups, i/groups)
		}
	}
}

// reaches returns those keys of a part that some of the queries t, …, t+rows-1 of
// sequence b see.
func (a *attention) reaches(b, t, rows, part int) run {
	seen := run{a.mask.sees(b, t, a.Keys).from, a.mask.sees(b, t+rows-1, a.Keys).to}
	return seen.within(part*a.partSize, a.partSize)
}

// sum adds the sums of dQ of the later parts of the keys.
func (a attention) sum(from, to int) {
	n, block := a.Heads*a.Dim, a.queryBlock()
	for i := from; i < to; i++ {
		dq := a.dq.x[i*a.dq.row : i*a.dq.row+n]
		b, t := i/a.Queries, i%a.Queries/block*block
		for part := 1; part < a.parts; part++ {
			if r := a.reaches(b, t, min(block, a.Queries-t), part); r.from < r.to {
				j := ((part-1)*a.Batch*a.Queries + i) * n
				add(dq, dq, a.partial[j:j+n])
			}
		}
	}
}

// An attentionKeys is the working memory of a job that has one part of the keys.
type attentionKeys struct {
	first, n       int       // the keys
	keysT, valuesT side      // Kᵀ and Vᵀ
	keys           []float32 // K, packed in blocks
	dk, dv         matrix    // the sums over the queries so far, dK without its scale

	// Of a block of queries:
	q, dy           matrix // q times the scale and log2(e)
	queries, slopes side   // Q and dY
	p, ds, dq       matrix
	runs, inside    []run // the keys that they see, and those of a block of keys
	means, shifts   []float32
}

// part computes the gradients of one part of the keys of a group of heads of one
// sequence.
func (a *attention) part(group, part int) {
	s := &shapes[a.level]
	b, head := group/a.KVHeads, group%a.KVHeads
	first := part * a.partSize
	n, block, keyBlock := min(a.partSize, a.Keys-first), a.queryBlock(), a.keyBlock()
	padded, ld := s.padded(a.Dim), scoreLd(s, min(n, keyBlock))
	flat, tall := sideSize(a.level, a.Dim, n), sideSize(a.level, keyBlock, a.Dim)
	short := sideSize(a.level, block, a.Dim)
	spare := borrow(2*flat + ceil(n, keyBlock)*tall + 2*n*padded + 2*short + block*(2*a.Dim+2*ld+padded))
	defer spares.put(spare)
	free := *spare
	row := b*a.Keys + first
	k, v := a.k.at(row, head*a.Dim), a.v.at(row, head*a.Dim)
	g := attentionKeys{
		first: first, n: n,
		keysT:   side{a.Dim, n, cut(&free, flat)},
		valuesT: side{a.Dim, n, cut(&free, flat)},
		dk:      matrix{cut(&free, n*padded), padded, 1},
		dv:      matrix{cut(&free, n*padded), padded, 1},
		q:       matrix{cut(&free, block*a.Dim), a.Dim, 1},
		dy:      matrix{cut(&free, block*a.Dim), a.Dim, 1},
		queries: side{n: a.Dim, x: cut(&free, short)},
		slopes:  side{n: a.Dim, x: cut(&free, short)},
		p:       matrix{cut(&free, block*ld), ld, 1},
		ds:      matrix{cut(&free, block*ld), ld, 1},
		dq:      matrix{cut(&free, block*padded), padded, 1},
	}
	g.keys = cut(&free, ceil(n, keyBlock)*tall)
	g.keysT.pack(a.level, k.transposed())
	g.valuesT.pack(a.level, v.transposed())
	for k0 := 0; k0 < n; k0 += keyBlock {
		a.keysFrom(&g, k0).pack(a.level, k.at(k0, 0))
	}
	clear(g.dk.x)
	clear(g.dv.x)
	dq, acc := a.dq, a.acc
	if part > 0 {
		n := a.Heads * a.Dim
		dq, acc = matrix{a.partial[(part-1)*a.Batch*a.Queries*n:], n, 1}, false
	}
	var runs, inside [maxQueries]run
	var means, shifts [maxQueries]float32
	heads := a.Heads / a.KVHeads
	for h := head * heads; h < (head+1)*heads; h++ {
		for t := 0; t < a.Queries; t += block {
			rows := min(block, a.Queries-t)
			reached := a.reaches(b, t, rows, part)
			if reached.from == reached.to && part > 0 {
				continue
			}
			g.runs, g.inside, g.means, g.shifts = runs[:rows], inside[:rows], means[:rows], shifts[:rows]
			a.block(&g, b, h, t, reached)
			a.deliver(rows, a.scale, g.dq, dq.at(b*a.Queries+t, h*a.Dim), acc)
		}
	}
	a.deliver(n, a.scale, g.dk, a.dk.at(row, head*a.Dim), a.acc)
	a.deliver(n, 1, g.dv, a.dv.at(row, head*a.Dim), a.acc)
}

// keysFrom returns the block of K that begins with key k0 of the part.
func (a *attention) keysFrom(g *attentionKeys, k0 int) side {
	block := a.keyBlock()
	return side{min(block, g.n-k0), a.Dim, g.keys[k0/block*sideSize(a.level, block, a.Dim):]}
}

// block computes what the queries t, … of a head contribute, of which reached is what
// they see of the part: dq, and sums in dk and dv.
func (a *attention) block(g *attentionKeys, b, h, t int, reached run) {
	clear(g.dq.x)
	if reached.from == reached.to {
		return
	}
	at := func(m matrix) matrix { return m.at(b*a.Queries+t, h*a.Dim) }
	q, y, dy := at(a.q), at(a.y), at(a.dy)
	a.see(b, t, g.runs)
	lse := a.lse[(b*a.Heads+h)*a.Queries+t:]
	for i := range g.runs {
		y, dy := y.x[i*y.row:i*y.row+a.Dim], dy.x[i*dy.row:i*dy.row+a.Dim]
		g.means[i], g.shifts[i] = float32(dot(dy, y)), float32(math.Log2E*float64(lse[i]))
		copy(g.dy.x[i*a.Dim:(i+1)*a.Dim], dy)
	}
	scaleRows(g.q.x[:a.Dim], g.q.row, q.x[:a.Dim], q.row, []float32{a.scale2}, 0, len(g.runs))
	g.queries.k, g.slopes.k = len(g.runs), len(g.runs)
	g.queries.pack(a.level, q)
	g.slopes.pack(a.level, dy)
	keyBlock := a.keyBlock()
	for k0 := reached.from / keyBlock * keyBlock; k0 < reached.to; k0 += keyBlock {
		for i, r := range g.runs {
			g.inside[i] = r.within(g.first+k0, min(keyBlock, g.n-k0))
		}
		scores(a.level, g.q, g.keysT.columns(k0, keyBlock), g.inside, g.p)
		a.addBias(h, t, g.first+k0, g.inside, g.p)
		scores(a.level, g.dy, g.valuesT.columns(k0, keyBlock), g.inside, g.ds)
		for i, r := range g.inside {
			p, ds := g.p.x[i*g.p.row:], g.ds.x[i*g.ds.row:]
			if math.IsInf(float64(lse[i]), -1) {
				clear(p[r.from:r.to])
				clear(ds[r.from:r.to])
				continue
			}
			scoreGrad(p[r.from:r.to], ds[r.from:r.to], g.shifts[i], g.means[i])
			if a.dbias.x != nil {
				to := a.dbias.at(h*a.Queries+t+i, g.first+k0).x[r.from:r.to]
				add(to, to, ds[r.from:r.to])
			}
		}
		blank(g.inside, g.p)
		blank(g.inside, g.ds)
		gather(a.level, g.p, g.slopes, g.inside, g.dv.at(k0, 0))
		gather(a.level, g.ds, g.queries, g.inside, g.dk.at(k0, 0))
		weigh(a.level, g.ds, a.keysFrom(g, k0), g.inside, g.dq)
	}
}

// deliver writes rows of a head, times a factor, or adds them to what is there.
func (a *attention) deliver(rows int, factor float32, from, to matrix, acc bool) {
	if !acc {
		scaleRows(to.x[:a.Dim], to.row, from.x[:a.Dim], from.row, []float32{factor}, 0, rows)
		return
	}
	for i := range rows {
		axpy(factor, from.x[i*from.row:][:a.Dim], to.x[i*to.row:][:a.Dim])
	}
}
