package peers

import "github.com/lowrank/lowrank/kernels"

// A Kind is what is computed.
type Kind int32

// The kinds. In a low-rank product or an adapted map, M is the rows, N the
// outputs, K the inputs and R the rank; in copy and triad, M is the elements of
// each array and K how often a run passes over them; in attention, M is the length, N the heads and K the size of one.
const (
	MatMul           Kind = 1 + iota // Y = X·W
	MatMulPacked                     // the same with W packed beforehand
	LowRankForward                   // U = s·X·Aᵀ, Y += U·Bᵀ
	LowRankBackward                  // V = s·DY·B, DX += V·A, DA = Vᵀ·X, DB = DYᵀ·U
	AdaptedForward                   // U = s·X·Aᵀ, Y = X·Wᵀ + U·Bᵀ
	AdaptedBackward                  // V = s·DY·B, DX = DY·W + V·A, DA, DB
	Copy                             // Y = A
	Triad                            // Y = A + 3·B
	AttentionForward                 // causal
	AttentionBackward
)

// Scaling is the s of all low-rank products.
const Scaling = 2

// A Job is work of one shape on so many threads.
type Job struct {
	Kind       Kind
	Op         kernels.Op
	M, N, K, R int
	Threads    int
}

// An Operand names an array of a job, and is the seed of its values.
type Operand uint64

// The operands. Outputs come in this order.
const (
	X Operand = 1 + iota
	W
	A
	B
	DY
	U
	V
	Y
	DX
	DA
	DB
)

// Fill fills x with the values of an operand: SplitMix64 of a counter (Steele,
// Lea and Flood, 2014), its upper 24 bits as a number in [-1, 1).
func Fill(name Operand, x []float32) []float32 {
	for i := range x {
		z := uint64(name)<<40 + uint64(i+1)*0x9E3779B97F4A7C15
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		z ^= z >> 31
		x[i] = float32(z>>40)*0x1p-23 - 1
	}
	return x
}
