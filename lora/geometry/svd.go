package geometry

import (
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// An SVD holds singular triplets of an out×in matrix, the largest first: the
// columns of U out×k and of V in×k, and S.
type SVD struct {
	U, V *mat.Dense
	S    []float64
}

var errNoSVD = errors.New("its singular value decomposition did not converge")

// Decompose returns all min(m, n) triplets of a, m×n.
func Decompose(a *mat.Dense) (SVD, error) {
	// LAPACK rescales what is very small or very large, in which gonum is not
	// to be relied upon; a power of two is exact.
	_, exp := math.Frexp(mat.Norm(a, math.Inf(1)))
	scaled := new(mat.Dense)
	scaled.Scale(math.Ldexp(1, -exp), a)
	var svd mat.SVD
	if !svd.Factorize(scaled, mat.SVDThin) {
		return SVD{}, errNoSVD
	}
	d := SVD{U: new(mat.Dense), V: new(mat.Dense), S: svd.Values(nil)}
	svd.UTo(d.U)
	svd.VTo(d.V)
	for k := range d.S {
		d.S[k] = math.Ldexp(d.S[k], exp)
	}
	return d, nil
}

// DecomposeProduct returns the triplets of b·aᵀ, for b out×n and a in×n, as
// many as it can have: with thin b = Q·R and a = P·T those of the small R·Tᵀ.
// Signs are those of [SVD.FixSigns].
func DecomposeProduct(b, a *mat.Dense) (SVD, error) {
	q, r := QR(b)
	p, t := QR(a)
	var core mat.Dense
	core.Mul(r, t.T())
	d, err := Decompose(&core)
	if err != nil {
		return d, err
	}
	var u, v mat.Dense
	u.Mul(q, d.U)
	v.Mul(p, d.V)
	d.U, d.V = &u, &v
	d.FixSigns()
	return d, nil
}

// SVD returns the triplets of ΔW, min(n, out, in) of them, without forming it:
// 4·n²·(in+out) flops.
func (p Product) SVD() (SVD, error) {
	a, err := columns(p.A)
	if err != nil {
		return SVD{}, err
	}
	b, err := columns(p.Bt)
	if err != nil {
		return SVD{}, err
	}
	b.Scale(p.S, b)
	return DecomposeProduct(b, a)
}

// Rounding is what a singular value of a matrix in float32 is known to, of the
// largest: at or below it, it is zero.
const Rounding = 1e-7

// Rank returns how many singular values are above [Rounding] of the largest.
func (d SVD) Rank() int {
	for k, s := range d.S {
		if !(s > Rounding*d.S[0]) {
			return k
		}
	}
	return len(d.S)
}

// Ranges returns the subspaces of the first [SVD.Rank] triplets: the left and
// the right singular vectors. Both are nil for a matrix of zeros.
func (d SVD) Ranges() (left, right *mat.Dense) {
	return d.First(d.Rank())
}

// Leading returns the subspaces of the first k triplets, or of the [SVD.Rank]
// that are not zero: where most of a change lies, while its range may hold more
// than that. Both are nil for a matrix of zeros.
func (d SVD) Leading(k int) (left, right *mat.Dense) {
	return d.First(min(k, d.Rank()))
}

// turned returns the triplets of the transpose, with signs by the other side.
func (d SVD) turned() SVD {
	if d.U == nil {
		return d
	}
	d.U, d.V = d.V, d.U
	d.FixSigns()
	return d
}

// Head returns the first k triplets, or all there are, and Tail the last.
func (d SVD) Head(k int) SVD { return d.cut(0, min(k, len(d.S))) }
func (d SVD) Tail(k int) SVD { return d.cut(max(len(d.S)-k, 0), len(d.S)) }

// Copy returns d in memory of its own.
func (d SVD) Copy() SVD {
	return SVD{U: mat.DenseCopyOf(d.U), V: mat.DenseCopyOf(d.V), S: slices.Clone(d.S)}
}

func (d SVD) cut(i, j int) SVD {
	out, _ := d.U.Dims()
	in, _ := d.V.Dims()
	return SVD{U: d.U.Slice(0, out, i, j).(*mat.Dense), V: d.V.Slice(0, in, i, j).(*mat.Dense), S: d.S[i:j]}
}

// First returns the subspaces of the first k triplets, or of all there are.
func (d SVD) First(k int) (left, right *mat.Dense) {
	k = min(k, len(d.S))
	if k == 0 {
		return nil, nil
	}
	out, _ := d.U.Dims()
	in, _ := d.V.Dims()
	return d.U.Slice(0, out, 0, k).(*mat.Dense), d.V.Slice(0, in, 0, k).(*mat.Dense)
}

// Span returns the subspace of the rows of x, up to [Rounding].
func Span(x Rows) (*mat.Dense, error) {
	c, err := columns(x)
	if err != nil {
		return nil, err
	}
	q, r := QR(c)
	sigma, err := values(r)
	if err != nil {
		return nil, err
	}
	if _, n := r.Dims(); (SVD{S: sigma}).Rank() == n {
		return q, nil
	}
	d, err := Decompose(r)
	if err != nil {
		return nil, err
	}
	u := new(mat.Dense)
	u.Mul(q, d.U)
	d.U = u
	left, _ := d.Ranges()
	return left, nil
}

// FixSigns gives each triplet the sign that makes the largest entry of its u
// positive, the first among equals.
func (d SVD) FixSigns() {
	out, _ := d.U.Dims()
	for j := range d.S {
		largest := 0.0
		for i := range out {
			if x := d.U.At(i, j); math.Abs(x) > math.Abs(largest) {
				largest = x
			}
		}
		if largest < 0 {
			scaleColumn(d.U, j, -1)
			scaleColumn(d.V, j, -1)
		}
	}
}
