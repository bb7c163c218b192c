package kernels

import "math"

var (
	attentionSpans     = spans[attention]{body: attention.queryJobs}
	attentionPackSpans = spans[attention]{body: attention.packGroups}
)

// forward computes y and lse. The queries of a sequence are cut into parts if there are
// too few groups of heads for the threads, and these then share the packed keys and
// values.
func (a attention) forward() {
	groups := a.Batch * a.KVHeads
	block := a.queryBlock()
	blocks := ceil(a.Queries, block)
	a.parts = 1
	if threads := Threads(); threads > 1 {
		a.parts = min(ceil(4*threads, groups), ceil(blocks, 2))
	}
	a.partSize = ceil(blocks, a.parts) * block
	a.parts = ceil(a.Queries, a.partSize)
	if a.parts > 1 {
		spare := borrow(groups * a.packedSize(0, a.Keys))
		defer spares.put(spare)
		a.shared = *spare
		attentionPackSpans.run(groups, 1, a)
	}
	attentionSpans.run(groups*a.parts, 1, a)
}

// packedSize returns the memory of the packed keys and values of the blocks from one
// that begins with key first to the one with key end-1.
func (a *attention) packedSize(first, end int) int {
	block := a.keyBlock()
	return ceil(end-first, block) * (sideSize(a.level, a.Dim, block) + sideSize(a.level, block, a.Dim))
}

// packKeys packs the keys and values of a group of heads, in these blocks.
func (a *attention) packKeys(group, first, end int, to []float32) {
	b, h := group/a.KVHeads, group%a.KVHeads
	for k0, block := first, a.keyBlock(); k0 < end; k0 += block {
		keys, values := a.sides(k0, &to)
		keys.pack(a.level, a.k.at(b*a.Keys+k0, h*a.Dim).transposed())
		values.pack(a.level, a.v.at(b*a.Keys+k0, h*a.Dim))
	}
}

// sides returns the first packed block, which begins with key k0, and leaves the others.
func (a *attention) sides(k0 int, packed *[]float32) (keys, values side) {
	block := a.keyBlock()
	n := min(block, a.Keys-k0)
	keys = side{a.Dim, n, cut(packed, sideSize(a.level, a.Dim, block))}
	values = side{n, a.Dim, cut(packed, sideSize(a.level, block, a.Dim))}
	return keys, values
}

// packGroups packs the keys and values that the jobs of a group share.
func (a attention) packGroups(from, to int) {
	size := a.packedSize(0, a.Keys)
	for group := from; group < to; group++ {
		a.packKeys(group, 0, a.Keys, a.shared[group*size:])
	}
}

// queryJobs computes parts of the queries of groups of heads of all sequences, the
// last ones first: with Causal they are the longest.
func (a attention) queryJobs(from, to int) {
	groups := a.Batch * a.KVHeads
	for i := from; i < to; i++ {
		first := (a.parts - 1 - i/groups) * a.partSize
		a.queries(i%groups, first, min(first+a.partSize, a.Queries))
	}
}

// An attentionQueries is the working memory of a block of queries of a head.
type attentionQueries struct {
	q, p, sums   matrix // q times the scale and log2(e)
	runs, inside []run  // the keys that they see, and those of a block of keys
	tops         []float32
	totals       []float64
}

// queries computes the rows from first to end-1 of y and lse in a group of heads of a
// sequence.
func (a *attention) queries(group, first, end int) {
	s := &shapes[a.level]
	b, heads := group/a.KVHeads, a.Heads/a.KVHeads
	block, keyBlock := a.queryBlock(), a.keyBlock()
	low := a.mask.sees(b, first, a.Keys).from / keyBlock * keyBlock
	high := a.mask.sees(b, end-1, a.Keys).to
	size := 0
	if a.shared == nil {
		size = a.packedSize(low, high)
	}
	padded, ld := s.padded(a.Dim), scoreLd(s, keyBlock)
	spare := borrow(size + block*(2*padded+ld))
	defer spares.put(spare)
	free := *spare
	packed := cut(&free, size)
	if a.shared == nil {
		a.packKeys(group, low, high, packed)
	} else {
		packed = a.shared[group*a.packedSize(0, a.Keys)+a.packedSize(0, low):]
	}
	var runs, inside [maxQueries]run
	var tops [maxQueries]float32
	var totals [maxQueries]float64
	for t := first; t < end; t += block {
		rows := min(block, end-t)
		g := attentionQueries{
			q:      matrix{free, padded, 1},
			p:      matrix{free[block*padded:], ld, 1},
			sums:   matrix{free[block*(padded+ld):], padded, 1},
			runs:   runs[:rows],
			inside: inside[:rows],
			tops:   tops[:rows],
			totals: totals[:rows],
		}
		seen := a.see(b, t, g.runs)
		for h := group % a.KVHeads * heads; h < (group%a.KVHeads+1)*heads; h++ {
			g.begin(a, a.q.at(b*a.Queries+t, h*a.Dim))
			for k0 := low; k0 < seen.to; k0 += keyBlock {
				if k0+keyBlock <= seen.from {
					continue
				}
				for i, r := range g.runs {
					g.inside[i] = r.within(k0, keyBlock)
				}
				from := packed[a.packedSize(low, k0):]
				keys, values := a.sides(k0, &from)
				scores(a.level, g.q, keys, g.inside, g.p)
				a.addBias(h, t, k0, g.inside, g.p)
				blank(g.inside, g.p)
				g.weights(a.Dim)
				weigh(a.level, g.p, values, g.inside, g.sums)
			}
			g.finish(a.y.at(b*a.Queries+t, h*a.Dim), a.lse[(b*a.Heads+h)*a.Queries+t:], a.Dim)
		}
	}
}

// begin takes the queries of a head.
func (g *attentionQueries) begin(a *attention, q matrix) {
	scaleRows(g.q.x[:a.Dim], g.q.row, q.x[:a.Dim], q.row, []float32{a.scale2}, 0, len(g.runs))
	for i := range g.runs {
		g.tops[i], g.totals[i] = float32(math.Inf(-1)), 0
	}
	clear(g.sums.x[:len(g.runs)*g.sums.row])
}

// weights makes weights of the scores p of a block of keys, 2 to the power of what they
// are above the largest score so far. If that has grown, the sums so far shrink.
func (g *attentionQueries) weights(dim int) {
	for i, r := range g.inside {
		if r.from == r.to {
			continue
		}
		x := g.p.x[i*g.p.row+r.from : i*g.p.row+r.to]
		if top := maximum(x); top > g.tops[i] {
			if g.totals[i] != 0 {
				factor := math.Exp2(float64(g.tops[i]) - float64(top))
				g.totals[i] *= factor
				sums := g.sums.x[i*g.sums.row:][:dim]
				scale(sums, float32(factor), sums)
			}
			g.tops[i] = top
		}
		g.totals[i] += exp2Sum(x, x, max(g.tops[i], -math.MaxFloat32)) // of no more than -Inf: 0
	}
}

// finish writes the rows of y and lse of a head.
func (g *attentionQueries) finish(y matrix, lse []float32, dim int) {
	for i, total := range g.totals {
		lse[i] = float32(math.Ln2*float64(g.tops[i]) + math.Log(total))
		g.tops[i] = float32(1 / total) // from here on what y is of the sums
	}
	scaleRows(y.x[:dim], y.row, g.sums.x[:dim], g.sums.row, g.tops, 1, len(g.tops))
	for i, total := range g.totals {
		if total == 0 {
			clear(y.x[i*y.row:][:dim])
		}
	}
}
