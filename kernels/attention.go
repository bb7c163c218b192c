package kernels

import (
	"fmt"
	"math"
)

// queryRows is how many rows of queries are computed at once: their scores, one
// row of keys each, are all that is ever held of a head's scores.
const queryRows = 64

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
// saved for AttentionGrad. S is held in blocks of 64 rows. A row's result depends
// on its own sequence alone and, with causal, not on how many tokens follow,
// except that a NaN or Inf among the values of the next 63 may show. It panics if
// kvHeads does not divide heads.
func Attention(batch, tokens, heads, kvHeads, dim int, scale float32, causal bool, q []float32, ldq int, k []float32, ldk int, v []float32, ldv int, y []float32, ldy int, lse []float32) {
	checkAttention("Attention", batch, tokens, heads, kvHeads, dim, q, ldq, k, ldk, v, ldv, y, ldy, lse)
	if batch*tokens*heads*dim == 0 {
		return
	}
	blocks := (tokens + queryRows - 1) / queryRows
	attentionSpans.run(batch*heads*blocks, 1, attention{
		batch: batch, tokens: tokens, heads: heads, kvHeads: kvHeads, dim: dim, scale: scale, causal: causal, blocks: blocks,
		q: matrix{q, ldq, 1}, k: matrix{k, ldk, 1}, v: matrix{v, ldv, 1}, y: matrix{y, ldy, 1}, lse: lse,
	})
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
// within a head over ascending rows, by one thread per sequence and group.
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
	attentionGradSpans.run(batch*kvHeads, 1, attention{
		batch: batch, tokens: tokens, heads: heads, kvHeads: kvHeads, dim: dim, scale: scale, causal: causal,
		q: matrix{q, ldq, 1}, k: matrix{k, ldk, 1}, v: matrix{v, ldv, 1}, y: matrix{y, ldy, 1}, lse: lse,
		dy: matrix{dy, lddy, 1}, dq: matrix{dq, lddq, 1}, dk: matrix{dk, lddk, 1}, dv: matrix{dv, lddv, 1}, acc: acc,
	})
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
	batch, tokens, heads, kvHeads, dim int
	scale                              float32
	causal                             bool
	blocks                             int // of queryRows rows, per head

	q, k, v, y matrix
	lse        []float32

	dy, dq, dk, dv matrix
	acc            bool
}

var (
	attentionSpans     = spans[attention]{body: attention.forward}
	attentionGradSpans = spans[attention]{body: attention.backward}
)

// forward computes blocks of rows of the heads of all sequences, the last ones
// first: with causal they are the longest.
func (a attention) forward(from, to int) {
	heads := a.batch * a.heads
	for i := from; i < to; i++ {
		a.rows(i%heads, (a.blocks-1-i/heads)*queryRows)
	}
}

// backward computes groups of heads of all sequences.
func (a attention) backward(from, to int) {
	for i := from; i < to; i++ {
		a.group(i)
	}
}

// keys returns how many keys the rows below end see.
func (a *attention) keys(end int) int {
	if a.causal {
		return end
	}
	return a.tokens
}

// scores computes s (rows×keys) = scale·Q·Kᵀ; scaled holds the scaled queries.
func (a *attention) scores(q, k matrix, rows, keys int, scaled, s []float32) {
	for i := range rows {
		scale(scaled[i*a.dim:(i+1)*a.dim], a.scale, q.x[i*q.row:i*q.row+a.dim])
	}
	MatMul(NT, false, rows, keys, a.dim, scaled, a.dim, k.x, k.row, s, keys)
}

// rows computes the rows from first on, queryRows at most, of y and lse in one
// head of one sequence.
func (a *attention) rows(head, first int) {
	b, h := head/a.heads, head%a.heads
	row, group := b*a.tokens, h*a.kvHeads/a.heads
	rows := min(queryRows, a.tokens-first)
	keys := a.keys(first + rows)
	spare := borrow(rows * (keys + a.dim))
	defer spares.put(spare)
	s, scaled := (*spare)[:rows*keys], (*spare)[rows*keys:]

	q, y := a.q.at(row+first, h*a.dim), a.y.at(row+first, h*a.dim)
	k, v := a.k.at(row, group*a.dim), a.v.at(row, group*a.dim)
	a.scores(q, k, rows, keys, scaled, s)
	lse := a.lse[head*a.tokens+first:][:rows]
	for i := range rows {
		p := s[i*keys : (i+1)*keys]
		seen := a.keys(first + i + 1)
		top := maximum(p[:seen])
		total := expShift(p[:seen], p[:seen], 1, top)
		scale(p[:seen], float32(1/total), p[:seen])
		clear(p[seen:])
		lse[i] = float32(float64(top) + math.Log(total))
	}
	MatMul(NN, false, rows, a.dim, keys, s, keys, v.x, v.row, y.x, y.row)
}

// group computes the gradients of one group of heads of one sequence.
func (a *attention) group(pair int) {
	b, group := pair/a.kvHeads, pair%a.kvHeads
	row := b * a.tokens
	k, v := a.k.at(row, group*a.dim), a.v.at(row, group*a.dim)
	dk, dv := a.dk.at(row, group*a.dim), a.dv.at(row, group*a.dim)
	if !a.acc {
		for i := range a.tokens {
			clear(dk.x[i*dk.row : i*dk.row+a.dim])
			clear(dv.x[i*dv.row : i*dv.row+a.dim])
		}
	}
	spare := borrow(queryRows * (2*a.tokens + a.dim))
	defer spares.put(spare)
	size := a.heads / a.kvHeads
	for h := group * size; h < (group+1)*size; h++ {
		for first := 0; first < a.tokens; first += queryRows {
			rows := min(queryRows, a.tokens-first)
			keys := a.keys(first + rows)
			p, ds, scaled := (*spare)[:rows*keys], (*spare)[rows*keys:2*rows*keys], (*spare)[2*rows*keys:]

			at := func(m matrix) matrix { return m.at(row+first, h*a.dim) }
			q, y, dy, dq := at(a.q), at(a.y), at(a.dy), at(a.dq)
			a.scores(q, k, rows, keys, scaled, p)
			MatMul(NT, false, rows, keys, a.dim, dy.x, dy.row, v.x, v.row, ds, keys)
			lse := a.lse[(b*a.heads+h)*a.tokens+first:][:rows]
			for i := range rows {
				pi, dsi := p[i*keys:(i+1)*keys], ds[i*keys:(i+1)*keys]
				seen := a.keys(first + i + 1)
				mean := dot(dy.x[i*dy.row:i*dy.row+a.dim], y.x[i*y.row:i*y.row+a.dim])
				expShift(pi[:seen], pi[:seen], 1, lse[i])
				shiftScale(dsi[:seen], a.scale, dsi[:seen], float32(mean))
				mul(dsi[:seen], 1, dsi[:seen], pi[:seen])
				clear(pi[seen:])
				clear(dsi[seen:])
			}
			MatMul(TN, true, keys, a.dim, rows, p, keys, dy.x, dy.row, dv.x, dv.row)
			MatMul(TN, true, keys, a.dim, rows, ds, keys, q.x, q.row, dk.x, dk.row)
			MatMul(NN, a.acc, rows, a.dim, keys, ds, keys, k.x, k.row, dq.x, dq.row)
		}
	}
}
