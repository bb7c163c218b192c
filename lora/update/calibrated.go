package update

import (
	"math"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/internal/gram"
	"github.com/lowrank/lowrank/nn/optim"
)

// calibrated is LoFT for one of the two factors, given as r rows x, while the
// other, r rows o, stays. The gradient of the full weight, projected on what x
// can change, is oᵀ·(o·oᵀ)⁻¹·g for the gradient g of x. In an orthonormal basis
// U of the space of o that is U·h with the unmagnified gradient h = R⁻ᵀ·g, and
// the moments of the full weight, projected from the space of the last step
// on that of now by P ([bases]), are U·m and, of the entry i, j, u_iᵀ·Q_j·u_i:
//
//	m = β₁·P·m + (1-β₁)·h
//	Q_j = β₂·P·Q_j·Pᵀ + (1-β₂)·h_j·h_jᵀ    for each column j
//
// What Adam makes of them, f = m̂/(√v̂ + eps), is never whole in memory; the
// factor moves by (o·oᵀ)⁻¹·o·f = R⁻¹·Uᵀ·f. Damping is added to o·oᵀ in all
// three inverses: it makes the eigenvalue l of the basis count l/(l+Damping).
type calibrated struct {
	LoFT
	r, dim, otherDim int

	m     []float32 // r×dim
	q     []float32 // dim times r×r
	other bases     // of o

	basis   []float32 // otherDim×r: U
	h       []float32 // r×dim, or r×otherDim if that is more
	t, u    []float64 // r×r
	x, y    []float64 // r
	columns []float64
}

func newCalibrated(rule LoFT, r, dim, otherDim int) *calibrated {
	return &calibrated{
		LoFT: rule, r: r, dim: dim, otherDim: otherDim,
		m: make([]float32, r*dim), q: make([]float32, dim*r*r), other: newBases(r, otherDim),
		basis: make([]float32, otherDim*r), h: make([]float32, r*max(dim, otherDim)),
		t: make([]float64, r*r), u: make([]float64, r*r), x: make([]float64, r), y: make([]float64, r),
		columns: make([]float64, gram.CombineScratch(r)),
	}
}

// project sets h for the gradient g, r×dim, at the other factor, r×otherDim.
func (s *calibrated) project(other, g []float32) {
	r, p := s.r, s.other.p
	s.other.turn(other)
	gram.Combine(s.h, s.other.inv, gram.Rows{N: r, Dim: s.otherDim, Data: other}, nil, gram.Rows{}, s.columns)
	gram.Transpose(s.basis, s.h[:r*s.otherDim], r, s.otherDim)
	for k, l := range s.other.now.L {
		if l != 0 {
			scale(l/(l+s.Damping), s.other.inv[k*r:(k+1)*r])
			scale(l/(l+s.Damping), p[k*r:(k+1)*r])
		}
	}
	gram.Combine(s.h, s.other.inv, gram.Rows{N: r, Dim: s.dim, Data: g}, nil, gram.Rows{}, s.columns)
}

// squares is that of the norm of h.
func (s *calibrated) squares() float64 { return kernels.SumSquares(s.h[:s.r*s.dim]) }

// observe takes clip times h into the moments.
func (s *calibrated) observe(clip float64) {
	r, p := s.r, s.other.p
	if clip != 1 {
		kernels.Scale(float32(clip), s.h[:r*s.dim])
	}
	s.carry()

	scale(s.Beta1, p)
	clear(s.t)
	for k := range r {
		s.t[k*r+k] = 1 - s.Beta1
	}
	gram.Combine(s.m, p, gram.Rows{N: r, Dim: s.dim, Data: s.m}, s.t, gram.Rows{N: r, Dim: s.dim, Data: s.h}, s.columns)
}

// carry renews the second moments.
func (s *calibrated) carry() {
	r, p := s.r, s.other.p
	for j := range s.dim {
		q := s.q[j*r*r : (j+1)*r*r]
		for i, v := range q {
			s.t[i] = float64(v)
		}
		gram.Mul(r, s.u, p, false, s.t, false)
		gram.Mul(r, s.t, s.u, false, p, true)
		for k := range r {
			for l := range r {
				hh := float64(s.h[k*s.dim+j]) * float64(s.h[l*s.dim+j])
				q[k*r+l] = float32(s.Beta2*s.t[k*r+l] + (1-s.Beta2)*hh)
			}
		}
	}
}

// move writes the direction at a step into d, r×dim.
func (s *calibrated) move(d []float32, step int) {
	r := s.r
	c1, c2 := 1-math.Pow(s.Beta1, float64(step)), 1-math.Pow(s.Beta2, float64(step))
	for j := range s.dim {
		q := s.q[j*r*r : (j+1)*r*r]
		for k := range r {
			s.x[k] = float64(s.m[k*s.dim+j]) / c1
		}
		clear(s.y) // Uᵀ·f
		for i := range s.otherDim {
			u := s.basis[i*r : (i+1)*r]
			var first, second float64
			for k, x := range u {
				var row float64
				for l, y := range u {
					row += float64(q[k*r+l]) * float64(y)
				}
				second += float64(x) * row
				first += float64(x) * s.x[k]
			}
			f := first / (math.Sqrt(max(second, 0)/c2) + s.Eps)
			for k, x := range u {
				s.y[k] += f * float64(x)
			}
		}
		for k := range r {
			d[k*s.dim+j] = float32(s.y[k])
		}
	}
	transpose(r, s.t, s.other.inv)
	rows := gram.Rows{N: r, Dim: s.dim, Data: d}
	gram.Combine(d, s.t, rows, nil, gram.Rows{}, s.columns)
}

func (s *calibrated) buffers(name string) []optim.Buffer {
	return []optim.Buffer{
		{Name: "loft.m." + name, Values: s.m}, {Name: "loft.q." + name, Values: s.q}, {Name: "loft.last." + name, Values: s.other.last},
	}
}
