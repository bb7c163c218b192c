package geometry

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/internal/gram"
)

// A block is what subspace iteration carries: rows x, each of the length n of the
// matrix's shorter side, orthonormal, and their images w of the longer side's
// length and z = x·M, where M is the matrix times its transpose, the shorter way.
// Products are in float32, on all threads; what is r×r is in float64.
type block struct {
	there, back through // x → w and w → z
	size, n, m  int     // rows; the shorter and the longer side
	x, w, z     []float32
	theta       []float64 // eigenvalues of M on the rows, the largest first
	residual    []float64 // ‖z − θ·x‖ of each row
	eigen       gram.Eigen
	h, factor   []float64
	turn, spare []float32
}

// through multiplies rows by a matrix or by its transpose.
type through func(x, y []float32, rows int)

const (
	more    = 16   // rows beyond those that are wanted: errors fall with the gap behind them
	precise = 1e-4 // of each singular value is known, when it is enough
)

// Triplets returns the k largest singular triplets of w, out×in, by subspace
// iteration that Chebyshev polynomials speed up (Zhou et al., J. Comput. Phys. 219,
// 2006; with random rows to begin with, arXiv 0909.4061): until the residuals say
// that each singular value is within 1e-4 of an exact one or, where rounds is not
// zero, for so many. Its products are in float32, and a start needs no more, of every
// weight of a model; [Leading] goes on until the vectors are exact to rounding, which
// angles are measured by.
func Triplets(w []float32, out, in, k, rounds int, rng *rand.Rand) (SVD, error) {
	if s := kernels.SumSquares(w); s-s != 0 { // quicker than to look at each
		i := slices.IndexFunc(w, func(v float32) bool { return v-v != 0 })
		return SVD{}, fmt.Errorf("entry (%d, %d) is %v", i/in, i%in, w[i])
	}
	b := newBlock(out, in, k+more, rng)
	packed := false
	var used []*kernels.Packed
	defer func() {
		for _, p := range used {
			packs.Put(p)
		}
	}()
	b.between(out, in, func(op kernels.Op, k, n int) through {
		if packed && rounds == 1 { // the rows go back but once
			return unpacked(op, k, n, w, in)
		}
		packed = true
		p := packs.Get().(*kernels.Packed)
		used = append(used, p)
		p.RepackStored(op, &kernels.Stored{Format: kernels.F32, Rows: out, Cols: in, Floats: w}, 0, n)
		return func(x, y []float32, rows int) { kernels.MatMulPacked(false, rows, x, k, p, y, n) }
	})
	switch rounds {
	case 0:
		b.iterate(longest, func() bool { return b.converged(k) })
	default:
		b.iterate(rounds, func() bool { return false })
	}
	return b.triplets(min(k, b.size), out, in), nil
}

// packs are used again for the next weight: a model has many.
var packs = sync.Pool{New: func() any { return new(kernels.Packed) }}

// longest is how many rounds are tried.
const longest = 60

// Subspaces returns the singular vectors of the k largest triplets of w, out×in,
// or of as many as are above [Rounding], by the iteration of [Triplets] until
// vectors are settled rather than values, and without a copy of w. Both are nil for zeros, and
// where the k-th and those behind it are so near each other that the iteration does
// not tell them apart.
func Subspaces(w []float32, out, in, k int, rng *rand.Rand) (left, right *mat.Dense) {
	if s := kernels.SumSquares(w); s-s != 0 {
		return nil, nil
	}
	b := newBlock(out, in, k+more, rng)
	b.between(out, in, func(op kernels.Op, k, n int) through { return unpacked(op, k, n, w, in) })
	if !b.iterate(longest, func() bool { return b.settled(k) }) {
		return nil, nil
	}
	return b.triplets(min(k, b.size), out, in).Leading(k)
}

// unpacked multiplies by w as it lies.
func unpacked(op kernels.Op, k, n int, w []float32, ldw int) through {
	return func(x, y []float32, rows int) { kernels.MatMul(op, false, rows, n, k, x, k, w, ldw, y, n) }
}

// iterate goes on for so many rounds, or until done, which it reports.
func (b *block) iterate(rounds int, done func() bool) bool {
	for round := range rounds {
		b.ritz()
		b.apply()
		if done() {
			return true
		}
		if round == 0 {
			b.x, b.z = b.z, b.x
		} else {
			b.filter()
		}
		b.orthonormalize()
	}
	b.ritz()
	return false
}

// between sets the products with w, out×in: the shorter side's rows go to the longer
// side by it or by its transpose.
func (b *block) between(out, in int, by func(op kernels.Op, k, n int) through) {
	if in <= out {
		b.there, b.back = by(kernels.NT, in, out), by(kernels.NN, out, in)
	} else {
		b.there, b.back = by(kernels.NN, out, in), by(kernels.NT, in, out)
	}
}

func newBlock(out, in, size int, rng *rand.Rand) *block {
	b := &block{n: min(out, in), m: max(out, in)}
	b.size = min(size, b.n)
	b.x, b.z, b.w = make([]float32, b.size*b.n), make([]float32, b.size*b.n), make([]float32, b.size*b.m)
	b.spare = make([]float32, b.size*b.m)
	b.turn, b.h = make([]float32, b.size*b.size), make([]float64, b.size*b.size)
	b.theta, b.residual = make([]float64, b.size), make([]float64, b.size)
	for i := range b.x {
		b.x[i] = float32(rng.NormFloat64())
	}
	b.orthonormalize()
	return b
}

// rotate replaces rows×cols x by t·x, t being rows×rows.
func (b *block) rotate(x []float32, cols int) {
	kernels.MatMul(kernels.NN, false, b.size, cols, b.size, b.turn, b.size, x, cols, b.spare, cols)
	copy(x, b.spare[:len(x)])
}

// gramOf writes x·xᵀ into h, each entry summed in float64.
func (b *block) gramOf(x []float32, cols int) {
	kernels.Parallel(b.size, func(i int) {
		for j := range i + 1 {
			b.h[i*b.size+j] = kernels.Dot(x[i*cols:(i+1)*cols], x[j*cols:(j+1)*cols])
		}
	})
	for i := range b.size {
		for j := range i {
			b.h[j*b.size+i] = b.h[i*b.size+j]
		}
	}
}

// orthonormalize makes the rows of x orthonormal: what they span stays, and rows
// that the others span become random.
func (b *block) orthonormalize() {
	for range 3 { // once as far as float32 shows, then for what that has left
		for i := range b.size {
			row := b.x[i*b.n : (i+1)*b.n]
			if norm := math.Sqrt(kernels.SumSquares(row)); norm > 0 {
				kernels.Scale(float32(1/norm), row)
			}
		}
		b.gramOf(b.x, b.n)
		if least, ok := b.triangular(); ok {
			b.rotate(b.x, b.n)
			if least > 0.9 {
				return
			}
			continue
		}
		b.eigen.Of(b.size, b.h)
		const cut = 1e-10
		for k, l := range b.eigen.L {
			for i := range b.size {
				c := 0.0
				if l > cut {
					c = b.eigen.U[i*b.size+k] / math.Sqrt(l)
				}
				b.turn[k*b.size+i] = float32(c)
			}
		}
		b.rotate(b.x, b.n)
		if b.eigen.L[0] > 0.9 {
			return
		}
		if b.eigen.L[0] <= cut {
			b.refill(cut)
		}
	}
}

// triangular makes the turn the inverse of the Cholesky factor of h, which is the
// quicker way to orthonormal rows where none is nearly a combination of others, and
// returns the smallest part that a row has of its own.
func (b *block) triangular() (least float64, ok bool) {
	n := b.size
	l := blas64.Symmetric{N: n, Stride: n, Data: append(b.factor[:0], b.h...), Uplo: blas.Lower}
	b.factor = l.Data
	t, ok := lapack64.Potrf(l)
	if !ok {
		return 0, false
	}
	least = 1
	for i := range n {
		least = min(least, t.Data[i*n+i]*t.Data[i*n+i])
	}
	const apart = 1e-4 // of which float32 rows lose two digits, which the next time finds
	if !(least > apart) || !lapack64.Trtri(t) {
		return 0, false
	}
	for i := range n {
		for j := range n {
			b.turn[i*n+j] = 0
			if j <= i {
				b.turn[i*n+j] = float32(t.Data[i*n+j])
			}
		}
	}
	return least, true
}

// refill puts unit rows in the place of those that had nothing of their own.
func (b *block) refill(cut float64) {
	for k, l := range b.eigen.L {
		if l <= cut {
			row := b.x[k*b.n : (k+1)*b.n]
			rng := rand.New(rand.NewPCG(uint64(k), uint64(b.n)))
			for i := range row {
				row[i] = float32(rng.NormFloat64())
			}
		}
	}
}

// ritz turns the rows into the eigenvectors of M within what they span.
func (b *block) ritz() {
	b.there(b.x, b.w, b.size)
	b.gramOf(b.w, b.m)
	b.eigen.Of(b.size, b.h)
	for k := range b.size {
		j := b.size - 1 - k // the largest come last
		b.theta[k] = b.eigen.L[j]
		for i := range b.size {
			b.turn[k*b.size+i] = float32(b.eigen.U[i*b.size+j])
		}
	}
	b.rotate(b.x, b.n)
	b.rotate(b.w, b.m)
}

// apply sees how far the rows are from being eigenvectors of M.
func (b *block) apply() {
	b.back(b.w, b.z, b.size)
	kernels.Parallel(b.size, func(k int) {
		x, z, sum := b.x[k*b.n:(k+1)*b.n], b.z[k*b.n:(k+1)*b.n], 0.0
		for i, v := range x {
			d := float64(z[i]) - b.theta[k]*float64(v)
			sum += d * d
		}
		b.residual[k] = math.Sqrt(sum)
	})
}

// converged reports whether k singular values are known to 1e-4: an eigenvalue of
// M is within the residual, and its root within half of that.
func (b *block) converged(k int) bool {
	for i := range min(k, b.size) {
		if b.theta[i] > Rounding*Rounding*b.theta[0] && b.residual[i] > 2*precise*b.theta[i] {
			return false
		}
	}
	return true
}

// settled reports whether the first k vectors are near an eigenspace of M: the sine
// of the angle to it is at most the residual over the gap behind it, and a mean of
// squared cosines between the two is below 1 by the square of that.
func (b *block) settled(k int) bool {
	const enough = 4e-5 // of the largest eigenvalue
	for i := range min(k, b.size) {
		if b.residual[i] > enough*b.theta[0] {
			return false
		}
	}
	return true
}

// filter applies a Chebyshev polynomial of M that is small from 0 to the least of
// the block's eigenvalues, and grows fast above.
func (b *block) filter() {
	least := b.theta[b.size-1]
	if least <= Rounding*b.theta[0] {
		b.x, b.z = b.z, b.x // nothing to damp: M itself
		return
	}
	// The largest must not drown the least in float32.
	const growth, highest = 1e5, 12
	ratio := 2*b.theta[0]/least - 1
	degree := min(max(int(math.Acosh(growth)/math.Acosh(max(ratio, 1+1e-6))), 1), highest)
	// With y(0) = x and y(1) = t(M)·x for t(λ) = 2λ/least − 1, y(i+1) =
	// 2·t(M)·y(i) − y(i−1); z is M·x already.
	before, now := b.x, b.z
	for i := range now {
		now[i] = float32(2/least)*now[i] - before[i]
	}
	for range degree - 1 {
		b.there(now, b.w, b.size)
		next := b.spare[:len(now)]
		b.back(b.w, next, b.size)
		c := float32(4 / least)
		kernels.Parallel(b.size, func(k int) {
			for i := k * b.n; i < (k+1)*b.n; i++ {
				before[i] = c*next[i] - 2*now[i] - before[i]
			}
		})
		before, now = now, before
	}
	b.x, b.z = now, before
}

// triplets returns the first k rows as singular triplets, of unit vectors to the
// rounding of float64.
func (b *block) triplets(k, out, in int) SVD {
	short, long := mat.NewDense(b.n, k, nil), mat.NewDense(b.m, k, nil)
	t := SVD{S: make([]float64, k)}
	for j := range k {
		x, w := b.x[j*b.n:(j+1)*b.n], b.w[j*b.m:(j+1)*b.m]
		nx, nw := math.Sqrt(kernels.SumSquares(x)), math.Sqrt(kernels.SumSquares(w))
		if nx > 0 {
			t.S[j] = nw / nx
			column(short, j, x, 1/nx)
		}
		if nw > 0 {
			column(long, j, w, 1/nw)
		}
	}
	t.U, t.V = long, short
	if out < in {
		t.U, t.V = short, long
	}
	return t
}

// column writes c·x into column j of m.
func column(m *mat.Dense, j int, x []float32, c float64) {
	raw := m.RawMatrix()
	for i, v := range x {
		raw.Data[i*raw.Stride+j] = c * float64(v)
	}
}
