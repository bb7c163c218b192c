package kernels

import (
	"fmt"
	"math"
)

// An AttentionShape is the sizes of an attention: Batch sequences of Queries rows of
// q and of Keys rows of k and v, and Heads heads of Dim columns, of which Heads/KVHeads
// in turn share the keys and values of one of KVHeads.
type AttentionShape struct {
	Batch, Queries, Keys int
	Heads, KVHeads, Dim  int
}

// Attention is scaled dot-product attention with grouped queries (arXiv
// 1706.03762, eq. 1; 2305.13245): for each sequence and each head h, with the keys
// and values of head h·KVHeads/Heads,
//
//	S = scale·Q·Kᵀ + bias               Queries × Keys
//	lse_i = log Σ_j exp(S_ij)
//	Y = P·V, P_ij = exp(S_ij - lse_i)
//
// where j runs over the keys that mask shows to query i. If these are none, or all
// their S are -Inf, then lse_i is -Inf and y_i is 0. q and y are Batch·Queries rows of
// Heads·Dim, k and v Batch·Keys rows of KVHeads·Dim; bias is Heads·Queries rows of Keys,
// the same for all sequences, or nil for none; lse is Batch × Heads × Queries and is
// saved for AttentionGrad.
//
// S is held in blocks of some 70 queries and 384 keys, so the memory is that of k and
// v (FlashAttention, arXiv 2205.14135), and the sums over keys are cut at multiples of
// 384. A row's result depends on its own sequence alone and on the keys that
// it sees, except that a NaN or Inf among the values that the queries next to it see
// may show. It panics if KVHeads does not divide Heads.
func Attention(shape AttentionShape, scale float32, mask Mask, q []float32, ldq int, k []float32, ldk int, v []float32, ldv int, bias []float32, ldbias int, y []float32, ldy int, lse []float32) {
	checkAttention("Attention", &shape, &mask, q, ldq, k, ldk, v, ldv, bias, ldbias, y, ldy, lse)
	if shape.Batch*shape.Queries*shape.Heads*shape.Dim == 0 {
		return
	}
	a := attention{
		AttentionShape: shape, level: active, scale: scale, scale2: float32(math.Log2E * float64(scale)), mask: mask,
		q: matrix{q, ldq, 1}, k: matrix{k, ldk, 1}, v: matrix{v, ldv, 1}, y: matrix{y, ldy, 1}, bias: matrix{bias, ldbias, 1}, lse: lse,
	}
	a.forward()
}

// AttentionGrad is the gradient of Attention, from its result y and lse: with
// P recomputed from q, k, bias and lse, and D_i = Σ_j dy_ij·y_ij in each head,
//
//	dV = Pᵀ·dY
//	dS = P∘(dY·Vᵀ - D)
//	dQ = scale·dS·K
//	dK = scale·dSᵀ·Q
//	dbias = Σ dS over the sequences
//
// added to dq, dk, dv and dbias if acc is set (FlashAttention-2, arXiv 2307.08691,
// algorithm 2); dbias may be nil. dK and dV are summed over the heads of a group in
// ascending order, within a head over ascending queries; dQ over ascending keys, from a
// sum of its own for each 768 keys of a long sequence (a quarter of them beyond 3072);
// dbias over ascending sequences. Keys that are padding have a gradient of zeros.
func AttentionGrad(shape AttentionShape, scale float32, mask Mask, q []float32, ldq int, k []float32, ldk int, v []float32, ldv int, bias []float32, ldbias int, y []float32, ldy int, lse []float32, dy []float32, lddy int, dq []float32, lddq int, dk []float32, lddk int, dv []float32, lddv int, dbias []float32, lddbias int, acc bool) {
	const fn = "AttentionGrad"
	checkAttention(fn, &shape, &mask, q, ldq, k, ldk, v, ldv, bias, ldbias, y, ldy, lse)
	rows, keys := shape.Batch*shape.Queries, shape.Batch*shape.Keys
	checkMatrix(fn, "dy", rows, shape.Heads*shape.Dim, dy, lddy)
	checkMatrix(fn, "dq", rows, shape.Heads*shape.Dim, dq, lddq)
	checkMatrix(fn, "dk", keys, shape.KVHeads*shape.Dim, dk, lddk)
	checkMatrix(fn, "dv", keys, shape.KVHeads*shape.Dim, dv, lddv)
	if dbias != nil {
		checkMatrix(fn, "dbias", shape.Heads*shape.Queries, shape.Keys, dbias, lddbias)
	}
	a := attention{
		AttentionShape: shape, level: active, scale: scale, scale2: float32(math.Log2E * float64(scale)), mask: mask,
		q: matrix{q, ldq, 1}, k: matrix{k, ldk, 1}, v: matrix{v, ldv, 1}, y: matrix{y, ldy, 1}, bias: matrix{bias, ldbias, 1}, lse: lse,
		dy: matrix{dy, lddy, 1}, dq: matrix{dq, lddq, 1}, dk: matrix{dk, lddk, 1}, dv: matrix{dv, lddv, 1}, dbias: matrix{dbias, lddbias, 1}, acc: acc,
	}
	a.backward()
}

// checkAttention checks the arguments that Attention and its gradient share.
func checkAttention(fn string, s *AttentionShape, mask *Mask, q []float32, ldq int, k []float32, ldk int, v []float32, ldv int, bias []float32, ldbias int, y []float32, ldy int, lse []float32) {
	checkSize(fn, "Batch", s.Batch)
	checkSize(fn, "Queries", s.Queries)
	checkSize(fn, "Keys", s.Keys)
	checkSize(fn, "Heads", s.Heads)
	checkSize(fn, "KVHeads", s.KVHeads)
	checkSize(fn, "Dim", s.Dim)
	if s.Heads > 0 && (s.KVHeads == 0 || s.Heads%s.KVHeads != 0) {
		panic(fmt.Sprintf("kernels: %s: KVHeads = %d, need a divisor of Heads = %d", fn, s.KVHeads, s.Heads))
	}
	if err := mask.Check(s.Batch, s.Queries, s.Keys); err != nil {
		panic(fmt.Sprintf("kernels: %s: %v", fn, err))
	}
	rows, keys := s.Batch*s.Queries, s.Batch*s.Keys
	checkMatrix(fn, "q", rows, s.Heads*s.Dim, q, ldq)
	checkMatrix(fn, "k", keys, s.KVHeads*s.Dim, k, ldk)
	checkMatrix(fn, "v", keys, s.KVHeads*s.Dim, v, ldv)
	if bias != nil {
		checkMatrix(fn, "bias", s.Heads*s.Queries, s.Keys, bias, ldbias)
	}
	checkMatrix(fn, "y", rows, s.Heads*s.Dim, y, ldy)
	checkVector(fn, "lse", rows*s.Heads, lse)
}

// An attention is a call of Attention or AttentionGrad.
type attention struct {
	AttentionShape
	level         Level
	scale, scale2 float32 // scale2 is scale·log2(e)
	mask          Mask

	q, k, v, y, bias matrix
	lse              []float32

	dy, dq, dk, dv, dbias matrix
	acc                   bool

	// A job is a part of a group of heads of a sequence: of its queries, or of its
	// keys in the gradient, where each part but the first has its own sum of dQ. It
	// is of all sequences, one after the other, if dbias is a sum over them.
	parts, partSize, sequences int

	shared  []float32 // the keys and values of all groups, packed, if parts share them
	partial []float32 // parts-1 × Batch·Queries × Heads·Dim, the sums of dQ
}

// About queriesAtOnce and keysAtOnce are computed at once: of so many, the scores and
// what is made of them stay in the second-level cache. keysAtOnce is a multiple of the
// columns of every level's tile.
const (
	queriesAtOnce = 66
	keysAtOnce    = 384
	maxQueries    = queriesAtOnce + maxRows
)

// queryBlock returns how many queries are computed at once: whole tiles.
func (a *attention) queryBlock() int {
	rows := shapes[a.level].rows
	return ceil(min(queriesAtOnce, a.Queries), rows) * rows
}

// keyBlock returns how many keys are computed at once.
func (a *attention) keyBlock() int { return max(1, min(keysAtOnce, a.Keys)) }

// see fills runs with the keys that queries t, … of sequence b see, and returns from
// the first to the last one.
func (a *attention) see(b, t int, runs []run) run {
	for i := range runs {
		runs[i] = a.mask.sees(b, t+i, a.Keys)
	}
	return run{runs[0].from, runs[len(runs)-1].to}
}

// addBias adds log2(e)·bias to the scores p of a head's queries t, … and the keys from
// k0 on that runs show.
func (a *attention) addBias(h, t, k0 int, runs []run, p matrix) {
	if a.bias.x == nil {
		return
	}
	for i, r := range runs {
		bias := a.bias.at(h*a.Queries+t+i, k0)
		axpy(math.Log2E, bias.x[r.from:r.to], p.x[i*p.row+r.from:i*p.row+r.to])
	}
}
