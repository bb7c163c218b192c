package probe

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
)

// A Top is the largest eigenvalue of the Hessian of a loss, and how it was found.
type Top struct {
	Value      float64
	Error      float64 // the residual ‖H·v − λ·v‖ of its vector: an eigenvalue lies so near
	Iterations int
	Seed       uint64
	Step       float64 // h of the central differences
}

// Sharpness returns the largest eigenvalue of the Hessian of a loss in params, by
// Lanczos with all vectors kept orthogonal (Golub and Van Loan, Matrix
// Computations, section 10.1), on products with the Hessian that are central
// differences of gradients,
//
//	H·v ≈ (g(θ + h·v) − g(θ − h·v))/2h,  h = 1e-3·max(‖θ‖, 1)
//
// of unit vectors v: two gradients an iteration. The function gradient leaves the
// gradient of the loss, and nothing else, on params, whatever it leaves there
// when it is called. The values of params are those of before, bit for bit, when
// Sharpness returns. It stops early where the Hessian has no more directions.
func Sharpness(params []*ag.Variable, gradient func() error, iterations int, seed uint64) (Top, error) {
	h := hessian{params: params, gradient: gradient}
	for _, p := range params {
		h.start = append(h.start, append([]float32(nil), p.Floats()...))
		h.n += len(p.Floats())
	}
	defer h.restore()
	h.step = 1e-3 * max(h.norm(), 1)
	top := Top{Seed: seed, Step: h.step}
	rng := rand.New(rand.NewPCG(seed, 23))
	v := make([]float64, h.n)
	for i := range v {
		v[i] = rng.NormFloat64()
	}
	var basis [][]float64
	var alpha, beta []float64
	for top.Iterations < min(iterations, h.n) {
		size := orthogonalize(v, basis)
		if len(basis) > 0 {
			if size < 1e-6*scale(alpha, beta) { // rounding of float32 gradients
				break
			}
			beta = append(beta, size)
		}
		if size == 0 {
			break
		}
		for i := range v {
			v[i] /= size
		}
		basis = append(basis, append([]float64(nil), v...))
		w, err := h.times(v)
		if err != nil {
			return Top{}, err
		}
		top.Iterations++
		alpha = append(alpha, dot(w, v))
		v = w
	}
	if len(alpha) == 0 {
		return Top{}, fmt.Errorf("probe: Sharpness: there is nothing that is trained")
	}
	rest := orthogonalize(v, basis)
	values, vectors, err := tridiagonal(alpha, beta)
	if err != nil {
		return Top{}, err
	}
	k := len(values) - 1
	top.Value = values[k]
	top.Error = math.Abs(rest * vectors.At(k, k))
	return top, nil
}

// A hessian is known by what it does to vectors.
type hessian struct {
	params   []*ag.Variable
	gradient func() error
	start    [][]float32
	n        int
	step     float64
}

func (h *hessian) norm() float64 {
	var sum float64
	for _, s := range h.start {
		sum += kernels.SumSquares(s)
	}
	return math.Sqrt(sum)
}

func (h *hessian) restore() {
	for i, p := range h.params {
		copy(p.Floats(), h.start[i])
	}
}

// times returns H·v.
func (h *hessian) times(v []float64) ([]float64, error) {
	w := make([]float64, h.n)
	for _, sign := range []float64{1, -1} {
		at := 0
		for i, p := range h.params {
			x := p.Floats()
			for j, s := range h.start[i] {
				x[j] = float32(float64(s) + sign*h.step*v[at+j])
			}
			at += len(x)
		}
		if err := h.gradient(); err != nil {
			return nil, err
		}
		at = 0
		for _, p := range h.params {
			for j, g := range p.GradFloats() {
				w[at+j] += sign * float64(g) / (2 * h.step)
			}
			at += len(p.Floats())
		}
	}
	return w, nil
}

// orthogonalize takes out of v, twice, its parts along an orthonormal basis and
// returns the norm of what is left.
func orthogonalize(v []float64, basis [][]float64) float64 {
	for range 2 {
		for _, b := range basis {
			c := dot(v, b)
			for i := range v {
				v[i] -= c * b[i]
			}
		}
	}
	return math.Sqrt(dot(v, v))
}

func dot(x, y []float64) (sum float64) {
	for i, v := range x {
		sum += v * y[i]
	}
	return sum
}

// scale is the largest entry of a tridiagonal matrix.
func scale(alpha, beta []float64) (most float64) {
	for _, a := range alpha {
		most = max(most, math.Abs(a))
	}
	for _, b := range beta {
		most = max(most, b)
	}
	return most
}

// tridiagonal decomposes the symmetric matrix with those diagonals.
func tridiagonal(alpha, beta []float64) ([]float64, *mat.Dense, error) {
	t := mat.NewSymDense(len(alpha), nil)
	for i, a := range alpha {
		if math.IsNaN(a) || math.IsInf(a, 0) {
			return nil, nil, fmt.Errorf("probe: Sharpness: a gradient is not finite")
		}
		t.SetSym(i, i, a)
	}
	for i, b := range beta {
		t.SetSym(i, i+1, b)
	}
	var e mat.EigenSym
	if !e.Factorize(t, true) {
		return nil, nil, fmt.Errorf("probe: Sharpness: the eigenvalues of the tridiagonal matrix did not converge")
	}
	vectors := new(mat.Dense)
	e.VectorsTo(vectors)
	return e.Values(nil), vectors, nil
}

// What a probe takes.
const (
	lanczosIterations = 12
	lanczosSeed       = 1
)

// sharp returns the sharpness over all trained factors.
func (p *Probe) sharp() (*Top, error) {
	return p.top.get(p.tick, func(t *Top) (err error) {
		if !p.lab.gradient {
			return noBatch
		}
		var params []*ag.Variable
		for _, l := range p.layers {
			for _, f := range l.factors {
				params = append(params, f.f.Variable)
			}
		}
		if len(params) == 0 {
			return noTrained
		}
		gradient := func() error {
			if err := p.Lab.Forward(); err != nil {
				return err
			}
			return p.Lab.Backward()
		}
		if *t, err = Sharpness(params, gradient, lanczosIterations, lanczosSeed); err != nil {
			return err
		}
		return gradient() // the graph holds again what the factors make of the batch
	})
}

const noTrained Undefined = "nothing is trained"

// ofTop makes a metric of the sharpness.
func ofTop(m Metric, of func(t *Top) float64) Metric {
	m.Gauge, m.Rescaling, m.Tier = Dependent, Unsettled, 3
	m.Source = "arXiv 2602.04998"
	m.Cost = fmt.Sprintf("%d forward and backward passes", 2*lanczosIterations)
	m.model = func(p *Probe) (float64, error) {
		t, err := p.sharp()
		return of(t), err
	}
	return m
}

var (
	sharpness           = ofTop(Metric{Name: "sharpness", Definition: "largest eigenvalue of the loss's Hessian over the probe batch, in all trained factors", Unit: "loss/weight²", Range: "(-∞, ∞)"}, func(t *Top) float64 { return t.Value })
	sharpnessError      = ofTop(Metric{Name: "sharpness_error", Definition: "residual of sharpness: an eigenvalue lies within so much of it", Unit: "loss/weight²", Range: "[0, ∞)"}, func(t *Top) float64 { return t.Error })
	sharpnessIterations = ofTop(Metric{Name: "sharpness_iterations", Definition: "Lanczos iterations that sharpness took", Unit: "1", Range: fmt.Sprintf("1 … %d", lanczosIterations)}, func(t *Top) float64 { return float64(t.Iterations) })
	sharpnessSeed       = ofTop(Metric{Name: "sharpness_seed", Definition: "seed of the first Lanczos vector", Unit: "1", Range: "0, 1, …"}, func(t *Top) float64 { return float64(t.Seed) })
)
