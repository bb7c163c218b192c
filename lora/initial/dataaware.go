package initial

import (
	"fmt"
	"math"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/geometry"
	"github.com/lowrank/lowrank/lora/internal/gram"
	"gonum.org/v1/gonum/mat"
)

// DataAware starts in the directions in which the fine-tuned weight is
// estimated to lie furthest, less what chance adds to the estimate: LoRA-DA
// (arXiv 2510.24561, algorithm 1). With the mean gradient G of the full weight
// and the Kronecker factors of its Fisher information over the calibration
// batches, Z = E xᵀ·x + λ·I and y_j = E δ_j² + λ,
//
//	Δ = −Z⁻¹·Gᵀ·diag(1/y) / σ    σ the largest singular value of what it divides
//	Ω = −a·Δ·Δᵀ + b·c·Z⁻¹        c = Σ_j 1/y_j / (n·σ²)
//	A = Vᵀ/√γ    B = Δᵀ·V/√γ     V the r eigenvectors of Ω of least eigenvalue
//
// so that s·B·A = s/γ·Δᵀ·V·Vᵀ is a scaled natural gradient step in the rows'
// space of A. The base stays W0: the function is not the base's. The defaults
// are the authors' code's, where n is the number of training examples.
//
// What LoRAFactory calls so is another algorithm: the decomposition of a few
// steps of full fine-tuning.
type DataAware struct {
	Gamma      float64 // γ
	Bias       float64 // a
	Variance   float64 // b
	Population int     // n
	Damping    float64 // λ
}

func (DataAware) Needs() []adapter.Capability {
	return append(neededToMove(false), adapter.Static, adapter.FullGradient, adapter.Activations, adapter.OutputGradients)
}

func (DataAware) Provides() []adapter.Capability { return []adapter.Capability{adapter.Moved} }

// Check refuses numbers that give no start.
func (d DataAware) Check() error {
	switch {
	case !(d.Bias > 0 && d.Bias <= 1e6):
		return fmt.Errorf("initial: bias is %v: must be above 0, at most 1e6", d.Bias)
	case !(d.Variance >= 0 && d.Variance <= 1e6):
		return fmt.Errorf("initial: variance is %v: must be in 0..1e6", d.Variance)
	case d.Population < 1:
		return fmt.Errorf("initial: population is %d: must be at least 1", d.Population)
	case !(d.Damping > 0 && d.Damping <= 1e6):
		return fmt.Errorf("initial: damping is %v: must be above 0, at most 1e6", d.Damping)
	}
	return checkGamma(d.Gamma)
}

// Fits refuses a rank that the weight cannot have.
func (DataAware) Fits(m *adapter.Map) error { return within(m, m.Rank, "rank") }

func (d DataAware) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		if err := d.Fits(m); err != nil {
			return err
		}
		x, err := momentsOf(m, in)
		if err != nil {
			return err
		}
		if len(x.Output) != m.Out {
			return fmt.Errorf("initial: %s: calibration has no gradients of its outputs: run the batches backward too", m.Name)
		}
		if err := d.start(m, in.Gradient(m), x); err != nil {
			return fmt.Errorf("initial: %s: %w", m.Name, err)
		}
	}
	return nil
}

func (d DataAware) start(m *adapter.Map, gradient []float32, x *adapter.Moments) error {
	if len(gradient) != m.Out*m.In {
		return fmt.Errorf("the gradient has %d values, the weight is %d×%d", len(gradient), m.Out, m.In)
	}
	g, err := geometry.Dense(gradient, m.Out, m.In)
	if err != nil {
		return fmt.Errorf("the gradient: %w", err)
	}
	z := mat.NewSymDense(m.In, append([]float64(nil), x.Second...))
	for i := range m.In {
		z.SetSym(i, i, z.At(i, i)+d.Damping)
	}
	var chol mat.Cholesky
	if !chol.Factorize(z) {
		return fmt.Errorf("the second moment of its activations is singular: the damping of %v is too small", d.Damping)
	}
	var inverse mat.SymDense
	var delta mat.Dense
	if err := answered(chol.InverseTo(&inverse)); err != nil {
		return err
	}
	if err := answered(chol.SolveTo(&delta, g.T())); err != nil {
		return err
	}
	sum := 0.0
	for j := range m.Out {
		y := 1 / (x.Output[j] + d.Damping)
		sum += y
		for i := range m.In {
			delta.Set(i, j, -y*delta.At(i, j))
		}
	}
	// The size that is divided by is found at a scale that the decomposition
	// takes: the largest entry becomes 1.
	largest := max(mat.Max(&delta), -mat.Min(&delta))
	if !(largest > 0) {
		return fmt.Errorf("the gradient is zero: there is no step to start with")
	}
	delta.Scale(1/largest, &delta)
	var svd mat.SVD
	if !svd.Factorize(&delta, mat.SVDNone) {
		return fmt.Errorf("the singular value decomposition of the step did not converge")
	}
	relative := svd.Values(nil)[0]
	delta.Scale(1/relative, &delta)
	sigma := largest * relative

	var omega mat.Dense
	omega.Mul(&delta, delta.T())
	omega.Scale(-d.Bias, &omega)
	if d.Variance > 0 {
		var variance mat.Dense
		variance.Scale(d.Variance*sum/(float64(d.Population)*sigma*sigma), &inverse)
		omega.Add(&omega, &variance)
	}
	var e gram.Eigen
	if !e.Of(m.In, omega.RawMatrix().Data) { // from the least on; negative ones are ordered too
		return fmt.Errorf("the guidance has no eigenvalues")
	}
	a, b, root := m.Factor("A").Floats(), m.Factor("B").Floats(), 1/math.Sqrt(d.Gamma)
	for k := range m.Rank {
		row := a[k*m.In : (k+1)*m.In]
		direction(row, func(i int) float64 { return e.U[i*m.In+k] }, root)
		for j := range m.Out {
			dot := 0.0
			for i, v := range row {
				dot += delta.At(i, j) * float64(v)
			}
			b[j*m.Rank+k] = float32(dot)
		}
	}
	return nil
}

// answered passes over the warning that a system is badly conditioned.
func answered(err error) error {
	if _, poor := err.(mat.Condition); poor {
		return nil
	}
	return err
}
