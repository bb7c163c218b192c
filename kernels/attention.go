package kernels

import (
	"fmt"
	"math"
)

// Attention is scaled dot-product attention with grouped queries (arXiv
// 1706.03762, eq. 1; 2305.13245): for each sequence of tokens rows and each head h,
// with the keys and values of head h·kvHeads/heads,
//
//	S = scale·Q·Kᵀ                      tokens × tokens
//	lse_i = log Σ_j exp(S_ij)
//	Y = P·V, P_ij = exp(S_ij - lse_i)
//
// where with causal j runs to i only. q and y are batch·tokens rows of heads·dim,
// k and v batch·tokens rows of kvHeads·dim; lse is batch × heads × tokens and is
// saved for AttentionGrad. S is held in blocks of some 70 rows, so the memory is
// that of a sequence, not of its square. A row's result depends on its own sequence
// alone and, with causal, not on the tokens that follow, except that a NaN or Inf
// among the values of the next few may show: so sequences filled up at the end need
// no lengths. It panics if kvHeads does not divide heads.
func Attention(batch, tokens, heads, kvHeads, dim int, scale float32, causal bool, q []float32, ldq int, k []float32, ldk int, v []float32, ldv int, y []float32, ldy int, lse []float32) {
	checkAttention("Attention", batch, tokens, heads, kvHeads, dim, q, ldq, k, ldk, v, ldv, y, ldy, lse)
	if batch*tokens*heads*dim == 0 {
		return
	}
	a := attention{
		level: active, batch: batch, tokens: tokens, heads: heads, kvHeads: kvHeads, dim: dim, scale: scale, causal: causal,
		q: matrix{q, ldq, 1}, k: matrix{k, ldk, 1}, v: matrix{v, ldv, 1}, y: matrix{y, ldy, 1}, lse: lse,
	}
	a.splitRows()
	attentionSpans.run(batch*kvHeads*a.parts, 1, a)
}

// AttentionGrad is the gradient of Attention, from its result y and lse: with
// P recomputed from q, k and lse, and D_i = Σ_j dy_ij·y_ij in each head,
//
//	dV = Pᵀ·dY
//	dS = scale·P∘(dY·Vᵀ - D)
//	dQ = dS·K
//	dK = dSᵀ·Q
//
// added to dq, dk and dv if acc is set (FlashAttention-2, arXiv 2307.08691,
// algorithm 2). dK and dV are summed over the heads of a group in ascending order,
// within a head over ascending rows; dQ over ascending keys, from a sum of its own
// for each 512 keys of a long sequence (a quarter of them beyond 2048).
func AttentionGrad(batch, tokens, heads, kvHeads, dim int, scale float32, causal bool, q []float32, ldq int, k []float32, ldk int, v []float32, ldv int, y []float32, ldy int, lse []float32, dy []float32, lddy int, dq []float32, lddq int, dk []float32, lddk int, dv []float32, lddv int, acc bool) {
	const fn = "AttentionGrad"
	checkAttention(fn, batch, tokens, heads, kvHeads, dim, q, ldq, k, ldk, v, ldv, y, ldy, lse)
	rows := batch * tokens
	checkMatrix(fn, "dy", rows, heads*dim, dy, lddy)
	checkMatrix(fn, "dq", rows, heads*dim, dq, lddq)
	checkMatrix(fn, "dk", rows, kvHeads*dim, dk, lddk)
	checkMatrix(fn, "dv", rows, kvHeads*dim, dv, lddv)
	if rows*heads*dim == 0 {
		return
	}
	a := attention{
		level: active, batch: batch, tokens: tokens, heads: heads, kvHeads: kvHeads, dim: dim, scale: scale, causal: causal,
		q: matrix{q, ldq, 1}, k: matrix{k, ldk, 1}, v: matrix{v, ldv, 1}, y: matrix{y, ldy, 1}, lse: lse,
		dy: matrix{dy, lddy, 1}, dq: matrix{dq, lddq, 1}, dk: matrix{dk, lddk, 1}, dv: matrix{dv, lddv, 1}, acc: acc,
	}
	a.splitKeys()
	spare := borrow((a.parts - 1) * rows * heads * dim)
	defer spares.put(spare)
	a.partial = *spare
	attentionGradSpans.run(batch*kvHeads*a.parts, 1, a)
	if a.parts > 1 {
		attentionSumSpans.rows(rows, heads*dim, a)
	}
}

// checkAttention checks the arguments that Attention and its gradient share.
func checkAttention(fn string, batch, tokens, heads, kvHeads, dim int, q []float32, ldq int, k []float32, ldk int, v []float32, ldv int, y []float32, ldy int, lse []float32) {
	checkSize(fn, "batch", batch)
	checkSize(fn, "tokens", tokens)
	checkSize(fn, "heads", heads)
	checkSize(fn, "kvHeads", kvHeads)
	checkSize(fn, "dim", dim)
	if heads > 0 && (kvHeads == 0 || heads%kvHeads != 0) {
		panic(fmt.Sprintf("kernels: %s: kvHeads = %d, need a divisor of heads = %d", fn, kvHeads, heads))
	}
	rows := batch * tokens
	checkMatrix(fn, "q", rows, heads*dim, q, ldq)
	checkMatrix(fn, "k", rows, kvHeads*dim, k, ldk)
	checkMatrix(fn, "v", rows, kvHeads*dim, v, ldv)
	checkMatrix(fn, "y", rows, heads*dim, y, ldy)
	checkVector(fn, "lse", rows*heads, lse)
}

// An attention is a call of Attention or AttentionGrad.
type attention struct {
	level                              Level
	batch, tokens, heads, kvHeads, dim int
	scale                              float32
	causal                             bool

	q, k, v, y matrix
	lse        []float32

	dy, dq, dk, dv matrix
	acc            bool

	// A job is a part of a group of heads of a sequence: of its rows, or of its
	// keys in the gradient, where each part but the first has its own sum of dQ.
	parts, partSize int
	partial         []float32 // parts-1 × rows × heads·dim
}

var attentionSpans = spans[attention]{body: attention.forward}

// scoreRows is about how many rows of queries are computed at once: their scores
// are all that is ever held of a head's.
const scoreRows = 66

// blockRows returns how many rows are computed at once: whole tiles.
func (a *attention) blockRows() int {
	s := shapes[a.level]
	return ceil(scoreRows, s.rows) * s.rows
}

// splitRows cuts the rows of a sequence into parts if there are too few groups of
// heads for the threads. Each part packs the keys and values for itself.
func (a *attention) splitRows() {
	block := a.blockRows()
	blocks := ceil(a.tokens, block)
	a.parts = 1
	if threads := Threads(); threads > 1 {
		a.parts = min(ceil(4*threads, a.batch*a.kvHeads), ceil(blocks, 2))
	}
	a.partSize = ceil(blocks, a.parts) * block
	a.parts = ceil(a.tokens, a.partSize)
}

// forward computes parts of the rows of groups of heads of all sequences, the last
// ones first: with causal they are the longest.
func (a attention) forward(from, to int) {
	pairs := a.batch * a.kvHeads
	for i := from; i < to; i++ {
		first := (a.parts - 1 - i/pairs) * a.partSize
		a.rows(i%pairs/a.kvHeads, i%pairs%a.kvHeads, first, min(first+a.partSize, a.tokens))
	}
}

// keys returns how many keys the rows below end see.
func (a *attention) keys(end int) int {
	if a.causal {
		return end
	}
	return a.tokens
}

// A side is an operand B (k×n) of tiles: panels of their widths, each k rows.
type side struct {
	k, n int
	x    []float32
}

// sideSize returns the memory that a side needs.
func sideSize(l Level, k, n int) int { return k*shapes[l].padded(n) + transposeSlack }

// pack makes a side of b in memory that it cuts off free.
func (a *attention) pack(free *[]float32, k, n int, b matrix) side {
	p := side{k, n, cut(free, sideSize(a.level, k, n))}
	p.fill(a.level, b)
	return p
}

// fill packs b.
func (p side) fill(l Level, b matrix) {
	s := shapes[l]
	for j := 0; j < p.n; j += s.wide {
		packPanel(l, p.x[j*p.k:], p.k, min(s.wide, p.n-j), s.width(p.n-j), b.at(0, j))
	}
}

// columns returns the columns j, …, j+n-1, where j is a multiple of a panel's.
func (p side) columns(j, n int) side { return side{p.k, n, p.x[j*p.k:]} }

// cut takes n elements from free.
func cut(free *[]float32, n int) []float32 {
	x := (*free)[:n:n]
	*free = (*free)[n:]
	return x
}

// tiles computes C = A·B, or adds it to C, of m rows, tile by tile. Of the sum over
// k only a range counts for the tile of rows i, …, i+h-1 and the columns from j on,
// and there is no such tile if it is empty; it is given from row b0 of B.
func (a *attention) tiles(m int, x matrix, b side, b0 int, c matrix, acc bool, counts func(i, h, j int) (from, to int)) {
	s := shapes[a.level]
	var strips [1]strip
	for j := 0; j < b.n; j += s.wide {
		width := s.width(b.n - j)
		columns := width
		if s.masked {
			columns = min(width, b.n-j)
		}
		for i, h := 0, 0; i < m; i += h {
			h = height(m-i, s.most(columns))
			from, to := counts(i, h, j)
			if from >= to {
				continue
			}
			left := x.at(i, from)
			strips[0] = strip{k: to - from, a: left.x, arow: left.row, acol: left.col, b: b.x[j*b.k+(b0+from)*width:], brow: width}
			tile(a.level, h, columns, strips[:], c.x[i*c.row+j:], c.row, acc)
		}
	}
}

// scores computes s (rows×keys, from the key at first on) = Q·Kᵀ for the rows of
// tokens t, …, leaving out tiles above the diagonal.
func (a *attention) scores(rows, t, first int, q matrix, k side, s matrix) {
	a.tiles(rows, q, k, 0, s, false, func(i, h, j int) (int, int) {
		if first+j >= a.keys(t+i+h) {
			return 0, 0
		}
		return 0, a.dim
	})
}

// scoreLd returns the leading dimension of scores of n keys: an odd number of cache
// lines, so that the rows of a column are in different sets of the cache.
func scoreLd(s shape, n int) int { return s.padded(n) | 16 }

// rows computes the rows from first to end-1 of y and lse in a group of heads of
// one sequence.
func (a *attention) rows(b, group, first, end int) {
	s, n := shapes[a.level], a.keys(end)
	block := min(a.blockRows(), end-first)
	padded, ld := s.padded(a.dim), scoreLd(s, n)
	spare := borrow(sideSize(a.level, a.dim, n) + sideSize(a.level, n, a.dim) + block*(a.dim+padded+ld))
	defer spares.put(spare)
	free := *spare
	row := b * a.tokens
	k := a.pack(&free, a.dim, n, a.k.at(row, group*a.dim).transposed())
	v := a.pack(&free, n, a.dim, a.v.at(row, group*a.dim))
	scaled := matrix{cut(&free, block*a.dim), a.dim, 1}
	p, sums := cut(&free, block*ld), cut(&free, block*padded)

	size := a.heads / a.kvHeads
	for i0 := (end - 1 - first) / block * block; i0 >= 0; i0 -= block {
		t := first + i0
		rows := min(block, end-t)
		seen := a.keys(t + rows)
		for h := group * size; h < (group+1)*size; h++ {
			q, y := a.q.at(row+t, h*a.dim), a.y.at(row+t, h*a.dim)
			lse := a.lse[(b*a.heads+h)*a.tokens+t:]
			for i := range rows {
				scale(scaled.x[i*a.dim:(i+1)*a.dim], a.scale, q.x[i*q.row:i*q.row+a.dim])
			}
			a.scores(rows, t, 0, scaled, k, matrix{p, ld, 1})
			var tops, totals [2 * scoreRows]float64
			for i := range rows {
				mine := a.keys(t + i + 1)
				x := p[i*ld:]
				top := maximum(x[:mine])
				tops[i], totals[i] = float64(top), expSum(x[:mine], x[:mine], top)
				clear(x[mine:seen])
			}
			// Y = P·V, of P whose rows do not sum to 1 yet.
			for k0 := 0; k0 < seen; k0 += kc {
				a.tiles(rows, matrix{p[k0:], ld, 1}, v, k0, matrix{sums, padded, 1}, k0 > 0, func(i, h, _ int) (int, int) {
					return 0, min(kc, a.keys(t+i+h)-k0)
				})
			}
			for i := range rows {
				lse[i] = float32(tops[i] + math.Log(totals[i]))
				scale(y.x[i*y.row:i*y.row+a.dim], float32(1/totals[i]), sums[i*padded:i*padded+a.dim])
			}
		}
	}
}
