package update

import (
	"math"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/internal/gram"
	"github.com/lowrank/lowrank/nn/optim"
)

// rite is the transform of LoRA-RITE on a pair. With thin bases of the factors,
// B = U_B·R_B and Aᵀ = U_A·R_A, the unmagnified gradient of A
//
//	H = gAᵀ·R_B⁻¹ = s·Gᵀ·U_B
//
// depends on how B·A is split no more than the basis does, and so do moments
// that are carried from basis to basis by P = U_B,tᵀ·U_B,t₋₁:
//
//	V = β₂·P·V·Pᵀ + (1-β₂)·Hᵀ·H/in
//	M = β₁·M·Pᵀ + (1-β₁)·H·(V + ρ·I)^(-1/2)
//
// A moves by M·R_B⁻ᵀ transposed, and B alike with A's basis. The betas rise
// from 0 as β·(1-βᵗ⁻¹)/(1-βᵗ), which corrects the bias. ρ is the escaped mass:
// what V has lost, as P dropped what lay outside the new basis.
type rite struct {
	LoRARITE
	pool *pool
}

func (t rite) Init(g *optim.Group) optim.State {
	a, b := g.Role("A"), g.Role("B")
	r, in, out := a.Value.Rows(), a.Value.Cols(), b.Value.Rows()
	return &riteState{
		a: a, b: b, pool: t.pool, place: t.pool.join(),
		bt: make([]float32, r*out), gbt: make([]float32, r*out),
		sideA: newUnmagnified(t.LoRARITE, r, in, out), sideB: newUnmagnified(t.LoRARITE, r, out, in),
	}
}

type riteState struct {
	a, b         *optim.Param
	bt, gbt      []float32 // r×out
	sideA, sideB *unmagnified
	pool         *pool
	place        int
}

func (s *riteState) Prepare(*optim.Group, optim.Clock) {
	r, out := s.sideA.r, s.sideB.dim
	gram.Transpose(s.bt, s.b.Value.Floats(), out, r)
	gram.Transpose(s.gbt, s.b.Update, out, r)
	s.sideA.unmagnify(s.bt, s.a.Update)
	s.sideB.unmagnify(s.a.Value.Floats(), s.gbt)
	s.pool.tell(s.place, kernels.SumSquares(s.sideA.h)+kernels.SumSquares(s.sideB.h))
}

func (s *riteState) Step(_ *optim.Group, c optim.Clock) {
	clip := s.pool.clip(s.sideA.Clip)
	s.sideA.step(s.a.Update, c.Step, clip)
	s.sideB.step(s.gbt, c.Step, clip)
	gram.Transpose(s.b.Update, s.gbt, s.sideB.r, s.sideB.dim)
}

func (s *riteState) Buffers() []optim.Buffer {
	return append(s.sideA.buffers(s.a.Name), s.sideB.buffers(s.b.Name)...)
}

// unmagnified is LoRA-RITE for one of the two factors, given as r rows of dim
// values.
type unmagnified struct {
	LoRARITE
	r, dim, otherDim int

	m     []float32 // r×dim: first moment
	v     []float32 // r×r: second moment
	mass  []float32 // ρ
	other bases     // of the other factor

	old, second gram.Eigen
	t, u        []float64 // r×r
	h           []float32 // r×dim
	columns     []float64
}

func newUnmagnified(rule LoRARITE, r, dim, otherDim int) *unmagnified {
	return &unmagnified{
		LoRARITE: rule, r: r, dim: dim, otherDim: otherDim,
		m: make([]float32, r*dim), v: make([]float32, r*r), mass: make([]float32, 1), other: newBases(r, otherDim),
		t: make([]float64, r*r), u: make([]float64, r*r),
		h: make([]float32, r*dim), columns: make([]float64, gram.CombineScratch(r)),
	}
}

func (s *unmagnified) rows(x []float32) gram.Rows { return gram.Rows{N: s.r, Dim: s.dim, Data: x} }

// unmagnify sets h for the gradient g, r×dim, at the other factor as it is now,
// r×otherDim.
func (s *unmagnified) unmagnify(other, g []float32) {
	s.other.turn(other)
	gram.Combine(s.h, s.other.inv, s.rows(g), nil, gram.Rows{}, s.columns)
	if s.Skip > 0 && math.Sqrt(kernels.SumSquares(s.h)/float64(len(s.h))) > s.Skip {
		clear(s.h)
	}
}

// step writes the direction that clip times h makes into g, r×dim.
func (s *unmagnified) step(g []float32, step int, clip float64) {
	rows := s.rows
	if clip != 1 {
		kernels.Scale(float32(clip), s.h)
	}
	beta1, beta2 := rising(s.Beta1, step), rising(s.Beta2, step)
	mass := s.carry(beta2)
	gram.Gram(s.u, rows(s.h))
	for i := range s.t {
		s.t[i] += (1 - beta2) / float64(s.dim) * s.u[i]
		s.v[i] = float32(s.t[i])
	}
	s.second.Of(s.r, s.t)
	s.second.Apply(s.u, func(l float64) float64 { return (1 - beta1) / (math.Sqrt(l+mass) + s.Eps) })
	scale(beta1, s.other.p)
	gram.Combine(s.m, s.other.p, rows(s.m), s.u, rows(s.h), s.columns)

	transpose(s.r, s.t, s.other.inv)
	gram.Combine(g, s.t, rows(s.m), nil, gram.Rows{}, s.columns)
}

// transpose writes aᵀ into dst, both n×n.
func transpose(n int, dst, a []float64) {
	for i := range n {
		for j := range n {
			dst[i*n+j] = a[j*n+i]
		}
	}
}

// carry sets t to β₂·P·V·Pᵀ, and returns the escaped mass.
func (s *unmagnified) carry(beta2 float64) float64 {
	r, p := s.r, s.other.p
	for i, v := range s.v {
		s.t[i] = float64(v)
	}
	trace := gram.Trace(r, s.t)
	if s.EscapedMass {
		s.old.Values(r, s.t)
	}
	gram.Mul(r, s.u, p, false, s.t, false)
	gram.Mul(r, s.t, s.u, false, p, true)
	for i := range r {
		for j := range i {
			mean := (s.t[i*r+j] + s.t[j*r+i]) / 2
			s.t[i*r+j], s.t[j*r+i] = mean, mean
		}
	}
	var mass float64
	if s.EscapedMass {
		s.second.Values(r, s.t)
		for k, l := range s.old.L {
			mass = max(mass, l-s.second.L[k])
		}
		mass = min(mass, max(trace-gram.Trace(r, s.t), 0))
		s.mass[0] = float32(beta2 * (float64(s.mass[0]) + mass))
		mass = float64(s.mass[0])
	}
	scale(beta2, s.t)
	return mass
}

func (s *unmagnified) buffers(name string) []optim.Buffer {
	return []optim.Buffer{
		{Name: "rite.m." + name, Values: s.m}, {Name: "rite.v." + name, Values: s.v},
		{Name: "rite.last." + name, Values: s.other.last}, {Name: "rite.mass." + name, Values: s.mass},
	}
}

// rising is the decay of a mean at a step that leaves it without bias.
func rising(beta float64, step int) float64 {
	t := float64(step)
	return beta * (1 - math.Pow(beta, t-1)) / (1 - math.Pow(beta, t))
}
