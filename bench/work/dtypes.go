package work

import (
	"fmt"

	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/kernels"
)

// Decoded is Y (m×n) = X·Wᵀ with W (n×k) kept in a format and decoded while it
// is packed, which is part of the work.
func Decoded(format kernels.Dtype, m, n, k int) (*Work, error) {
	w, y := operand(peers.W, n*k), make([]float32, m*n)
	pack, err := packer(format, n, k, w)
	if err != nil {
		return nil, err
	}
	x := operand(peers.X, m*k)
	return product(0, kernels.NT, m, n, k, y, func() { kernels.MatMulPacked(false, m, x, k, pack(), y, n) }), nil
}

// packer returns what packs a weight from the format, in the same memory each time.
func packer(format kernels.Dtype, n, k int, w []float32) (func() *kernels.Packed, error) {
	p := &kernels.Packed{}
	var err error
	var pack func()
	switch format {
	case kernels.F32:
		p = kernels.Pack(kernels.NT, k, n, w, k)
		pack = func() { p.Repack(kernels.NT, w, k) }
	case kernels.BF16:
		b := make([]uint16, len(w))
		kernels.EncodeBF16(b, w)
		pack = func() { p.RepackBF16(kernels.NT, k, n, b, k) }
	case kernels.F16:
		b := make([]uint16, len(w))
		kernels.EncodeF16(b, w)
		pack = func() { p.RepackF16(kernels.NT, k, n, b, k) }
	case kernels.Int8:
		q, scale := make([]int8, len(w)), make([]float32, n)
		err = kernels.QuantizeInt8(n, k, w, k, q, k, scale)
		pack = func() { p.RepackInt8(kernels.NT, k, n, q, k, scale) }
	case kernels.NF4:
		var q *kernels.NF4Weight
		q, err = kernels.QuantizeNF4(n, k, w, k)
		pack = func() { p.RepackNF4(kernels.NT, q) }
	default:
		err = fmt.Errorf("work: %v: want a format that a weight can be packed from", format)
	}
	return func() *kernels.Packed { pack(); return p }, err
}
