package update

import (
	"math"

	"github.com/lowrank/lowrank/lora/internal/gram"
	"github.com/lowrank/lowrank/nn/optim"
)

// Orthogonalize replaces each update G = U·Σ·Vᵀ by about U·Vᵀ. With Steps it
// takes so many of Newton and Schulz' with Muon's coefficients,
//
//	X₀ = G/(‖G‖ + 1e-7)    X ← a·X + (b·X·Xᵀ + c·(X·Xᵀ)²)·X
//
// five in Jordan's code, which bring singular values to between 0.7 and 1.2;
// with none it is U·Vᵀ exactly, of the singular values that are not zero. The
// outcome is multiplied by √max(1, rows/cols), as there, or with MatchRMS by
// 0.2·√max(rows, cols), at which its root mean square is that of AdamW's
// updates (Muon is Scalable for LLM Training, arXiv 2502.16982, equation 4).
//
// Every X is a polynomial of G·Gᵀ times G, so that the steps are taken on the
// Gram matrix of the short side alone, in float64.
type Orthogonalize struct {
	Steps    int
	MatchRMS bool
}

func (t Orthogonalize) Init(g *optim.Group) optim.State {
	s := orthogonalizeState{}
	for _, p := range g.Params {
		rows, cols := p.Value.Rows(), p.Value.Cols()
		m := &matrixSign{p: p, rows: rows, cols: cols, size: t.size(rows, cols), gramSign: newGramSign(min(rows, cols), t.Steps)}
		if rows > cols {
			m.turned = make([]float32, rows*cols)
		}
		m.columns = make([]float64, gram.CombineScratch(m.n))
		s = append(s, m)
	}
	return s
}

// size is what the orthogonal matrix is multiplied by.
func (t Orthogonalize) size(rows, cols int) float64 {
	if t.MatchRMS {
		return 0.2 * math.Sqrt(float64(max(rows, cols)))
	}
	return math.Sqrt(max(1, float64(rows)/float64(cols)))
}

type orthogonalizeState []*matrixSign

func (s orthogonalizeState) Step(*optim.Group, optim.Clock) {
	for _, m := range s {
		m.step()
	}
}

func (orthogonalizeState) Buffers() []optim.Buffer { return nil }

// matrixSign orthogonalizes one matrix, whose short side is n.
type matrixSign struct {
	gramSign
	p          *optim.Param
	rows, cols int
	size       float64
	turned     []float32 // cols×rows, of a matrix that is higher than wide
	columns    []float64
}

func (m *matrixSign) step() {
	g := gram.Rows{N: m.n, Dim: m.cols, Data: m.p.Update}
	if m.turned != nil {
		gram.Transpose(m.turned, m.p.Update, m.rows, m.cols)
		g = gram.Rows{N: m.n, Dim: m.rows, Data: m.turned}
	}
	gram.Gram(m.gram, g)
	m.solve()
	scale(m.size, m.x)
	gram.Combine(g.Data, m.x, g, nil, gram.Rows{}, m.columns)
	if m.turned != nil {
		gram.Transpose(m.p.Update, m.turned, m.cols, m.rows)
	}
}

// A gramSign finds the matrix x that takes G, of n rows, to about U·Vᵀ, from the Gram
// matrix G·Gᵀ alone.
type gramSign struct {
	n, steps                int
	eigen                   gram.Eigen
	gram, x, xx, poly, next []float64 // n×n
}

func newGramSign(n, steps int) gramSign {
	square := func() []float64 { return make([]float64, n*n) }
	return gramSign{n: n, steps: steps, gram: square(), x: square(), xx: square(), poly: square(), next: square()}
}

func (m *gramSign) solve() {
	if m.steps == 0 {
		m.exact()
	} else {
		m.newtonSchulz()
	}
}

// exact sets x to (G·Gᵀ)^(-1/2).
func (m *gramSign) exact() {
	m.eigen.Of(m.n, m.gram)
	m.eigen.Truncate()
	m.eigen.Apply(m.x, inverseRoot)
}

// inverseRoot is 1/√l, or 0 where l is.
func inverseRoot(l float64) float64 {
	if l == 0 {
		return 0
	}
	return 1 / math.Sqrt(l)
}

// The coefficients of Muon's quintic.
const quinticA, quinticB, quinticC = 3.4445, -4.7750, 2.0315

// newtonSchulz sets x to the matrix that takes G to the last X.
func (m *gramSign) newtonSchulz() {
	n := m.n
	first := 1 / (math.Sqrt(gram.Trace(n, m.gram)) + 1e-7)
	clear(m.x)
	for i := range n {
		m.x[i*n+i] = first
	}
	for range m.steps {
		gram.Mul(n, m.next, m.x, false, m.gram, false)
		gram.Mul(n, m.xx, m.next, false, m.x, true) // X·Xᵀ
		gram.Mul(n, m.poly, m.xx, false, m.xx, false)
		for i := range m.poly {
			m.poly[i] = quinticB*m.xx[i] + quinticC*m.poly[i]
		}
		for i := range n {
			m.poly[i*n+i] += quinticA
		}
		gram.Mul(n, m.next, m.poly, false, m.x, false)
		m.x, m.next = m.next, m.x
	}
}
