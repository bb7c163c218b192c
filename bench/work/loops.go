package work

import (
	"math"

	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/kernels"
)

// A Loop is an element- or row-wise kernel.
type Loop struct {
	Name   string
	Stream peers.Kind // what its traffic is like: copy, or triad
	arrays int        // of equal length
	passes int        // reads and writes of one of them
	ready  func(x [][]float32) (run func())
}

// Row is the length of a row in the loops over rows, head the size of a head.
const (
	Row  = 768
	head = 64
)

// Loops are the loops of a transformer's training step.
var Loops = []Loop{
	{"add", peers.Triad, 3, 3, func(x [][]float32) func() {
		return func() { kernels.Add(x[2], x[0], x[1]) }
	}},
	{"scale", peers.Copy, 1, 2, func(x [][]float32) func() {
		return func() { kernels.Scale(-1, x[0]) } // any other factor leads to zero or infinity
	}},
	{"axpy", peers.Triad, 2, 3, func(x [][]float32) func() {
		return func() { kernels.Axpy(1e-3, x[0], x[1]) }
	}},
	{"silu-mul", peers.Triad, 3, 3, func(x [][]float32) func() {
		return func() { kernels.SiLUMul(x[2], x[0], x[1]) }
	}},
	{"silu-mul-grad", peers.Triad, 5, 5, func(x [][]float32) func() {
		return func() { kernels.SiLUMulGrad(x[3], x[4], x[0], x[1], x[2], false) }
	}},
	{"gelu", peers.Copy, 2, 2, func(x [][]float32) func() {
		return func() { kernels.GELU(x[1], x[0]) }
	}},
	{"gelu-grad", peers.Triad, 3, 3, func(x [][]float32) func() {
		return func() { kernels.GELUGrad(x[2], x[0], x[1], false) }
	}},
	{"gelu-tanh", peers.Copy, 2, 2, func(x [][]float32) func() {
		return func() { kernels.GELUTanh(x[1], x[0]) }
	}},
	{"gelu-tanh-grad", peers.Triad, 3, 3, func(x [][]float32) func() {
		return func() { kernels.GELUTanhGrad(x[2], x[0], x[1], false) }
	}},
	{"softmax", peers.Copy, 2, 2, func(x [][]float32) func() {
		return func() { kernels.Softmax(len(x[0])/Row, Row, x[0], Row, x[1], Row) }
	}},
	{"cross-entropy", peers.Copy, 2, 2, func(x [][]float32) func() {
		targets, loss := make([]int32, len(x[0])/Row), make([]float32, len(x[0])/Row)
		for i := range targets {
			targets[i] = int32(i % Row)
		}
		return func() { kernels.CrossEntropy(len(x[0])/Row, Row, x[0], Row, targets, loss, x[1], Row) }
	}},
	{"rms-norm", peers.Copy, 2, 2, func(x [][]float32) func() {
		w, inv := operand(peers.W, Row), make([]float32, len(x[0])/Row)
		return func() { kernels.RMSNorm(len(x[0])/Row, Row, x[0], Row, w, 1e-6, x[1], Row, inv) }
	}},
	{"rms-norm-grad", peers.Triad, 3, 3, func(x [][]float32) func() {
		w, dw, inv := operand(peers.W, Row), make([]float32, Row), operand(peers.V, len(x[0])/Row)
		return func() {
			kernels.RMSNormGrad(len(x[0])/Row, Row, x[0], Row, w, inv, x[1], Row, x[2], Row, false, dw)
		}
	}},
	{"layer-norm", peers.Copy, 2, 2, func(x [][]float32) func() {
		w, b, mean, inv := operand(peers.W, Row), operand(peers.B, Row), make([]float32, len(x[0])/Row), make([]float32, len(x[0])/Row)
		return func() { kernels.LayerNorm(len(x[0])/Row, Row, x[0], Row, w, b, 1e-6, x[1], Row, mean, inv) }
	}},
	{"layer-norm-grad", peers.Triad, 3, 3, func(x [][]float32) func() {
		w, mean, inv := operand(peers.W, Row), operand(peers.U, len(x[0])/Row), operand(peers.V, len(x[0])/Row)
		dw, db := make([]float32, Row), make([]float32, Row)
		return func() {
			kernels.LayerNormGrad(len(x[0])/Row, Row, x[0], Row, w, mean, inv, x[1], Row, x[2], Row, false, dw, db)
		}
	}},
	{"rope", peers.Copy, 2, 2, func(x [][]float32) func() {
		cos, sin := operand(peers.A, len(x[0])/Row*head/2), operand(peers.B, len(x[0])/Row*head/2)
		return func() { kernels.RoPE(len(x[0])/Row, Row/head, head, x[0], Row, len(x[0])/Row, cos, sin, x[1], Row) }
	}},
	{"adamw", peers.Triad, 4, 7, func(x [][]float32) func() {
		for i, v := range x[3] {
			x[3][i] = v * v // a second moment
		}
		return func() {
			kernels.AdamW(x[0], x[1], x[2], x[3], 1e-3, 0.9, 0.999, 1e-8, 0.01, 1-math.Pow(0.9, 10), 1-math.Pow(0.999, 10))
		}
	}},
}

// Make returns the loop on arrays of set bytes together, in whole rows.
func (l Loop) Make(set int) *Work {
	rows := max(1, set/(4*l.arrays*Row))
	x := make([][]float32, l.arrays)
	for i := range x {
		x[i] = operand(peers.Operand(i+1), rows*Row)
	}
	array := 4 * float64(rows*Row)
	return &Work{Bytes: array * float64(l.passes), Set: array * float64(l.arrays), Run: l.ready(x)}
}
