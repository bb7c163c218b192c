package kernels

import "testing"

// Every function must say which argument is wrong, with its value and the need.
func TestLoopArguments(t *testing.T) {
	x := func(n int) []float32 { return make([]float32, n) }
	for _, c := range []struct {
		want string
		call func()
	}{
		{"kernels: Axpy: len(y) = 3, need 4 (len(x))", func() { Axpy(1, x(4), x(3)) }},
		{"kernels: Add: len(b) = 2, need 3 (len(dst))", func() { Add(x(3), x(3), x(2)) }},
		{"kernels: Mul: len(a) = 4, need 3 (len(dst))", func() { Mul(x(3), x(4), x(3)) }},
		{"kernels: MulAdd: len(b) = 2, need 3 (len(dst))", func() { MulAdd(x(3), x(3), x(2)) }},
		{"kernels: ScaleRows: len(g) = 1, need 2", func() { ScaleRows(2, 3, x(6), 3, x(1), x(6), 3, false) }},
		{"kernels: ScaleCols: ldy = 2, need at least 3 (columns of y)", func() { ScaleCols(2, 3, x(6), 3, x(3), x(6), 2, true) }},
		{"kernels: Dot: len(y) = 1, need 2 (len(x))", func() { Dot(x(2), x(1)) }},
		{"kernels: Exp: len(x) = 1, need 2 (len(y))", func() { Exp(x(2), x(1)) }},
		{"kernels: RMSNorm: rows = -1, need at least 0", func() { RMSNorm(-1, 3, nil, 3, nil, 0, nil, 3, nil) }},
		{"kernels: RMSNorm: len(inv) = 1, need 2", func() { RMSNorm(2, 3, x(6), 3, x(3), 0, x(6), 3, x(1)) }},
		{"kernels: RMSNormGrad: len(dx) = 5, need 6 (2 rows of 3, ld 3)", func() { RMSNormGrad(2, 3, x(6), 3, x(3), x(2), x(6), 3, x(5), 3, false, nil) }},
		{"kernels: LayerNorm: len(b) = 2, need 3", func() { LayerNorm(2, 3, x(6), 3, x(3), x(2), 0, x(6), 3, x(2), x(2)) }},
		{"kernels: LayerNormGrad: len(db) = 2, need 3", func() { LayerNormGrad(2, 3, x(6), 3, x(3), x(2), x(2), x(6), 3, nil, 0, false, nil, x(2)) }},
		{"kernels: Softmax: n = -2, need at least 0", func() { Softmax(1, -2, nil, 0, nil, 0) }},
		{"kernels: SoftmaxGrad: len(dy) = 2, need 3 (1 rows of 3, ld 3)", func() { SoftmaxGrad(1, 3, x(3), 3, x(2), 3, x(3), 3, true) }},
		{"kernels: CrossEntropy: len(targets) = 1, need 2", func() { CrossEntropy(2, 3, x(6), 3, make([]int32, 1), x(2), nil, 0) }},
		{"kernels: CrossEntropy: targets[1] = 3, need less than 3", func() { CrossEntropy(2, 3, x(6), 3, []int32{-1, 3}, x(2), nil, 0) }},
		{"kernels: SiLUMul: len(up) = 1, need 2 (len(y))", func() { SiLUMul(x(2), x(2), x(1)) }},
		{"kernels: SiLUMulGrad: len(dup) = 1, need 2 (len(dgate))", func() { SiLUMulGrad(x(2), x(1), x(2), x(2), x(2), false) }},
		{"kernels: GELU: len(x) = 1, need 2 (len(y))", func() { GELU(x(2), x(1)) }},
		{"kernels: GELUGrad: len(x) = 1, need 2 (len(dx))", func() { GELUGrad(x(2), x(2), x(1), false) }},
		{"kernels: GELUTanh: len(x) = 1, need 2 (len(y))", func() { GELUTanh(x(2), x(1)) }},
		{"kernels: GELUTanhGrad: len(dy) = 1, need 2 (len(dx))", func() { GELUTanhGrad(x(2), x(1), x(2), false) }},
		{"kernels: RoPE: dim = 3, need an even number", func() { RoPE(1, 1, 3, x(3), 3, 1, x(1), x(1), x(3), 3) }},
		{"kernels: RoPE: positions = 0, need at least 1", func() { RoPE(1, 1, 4, x(4), 4, 0, x(2), x(2), x(4), 4) }},
		{"kernels: RoPEGrad: len(sin) = 1, need 2", func() { RoPEGrad(1, 1, 4, x(4), 4, 1, x(2), x(1), x(4), 4, false) }},
		{"kernels: AdamW: len(v) = 1, need 2 (len(w))", func() { AdamW(x(2), x(2), x(2), x(1), 0, 0, 0, 0, 0, 1, 1) }},
		{"kernels: Attention: KVHeads = 2, need a divisor of Heads = 3", func() {
			Attention(AttentionShape{1, 1, 1, 3, 2, 1}, 1, Mask{}, x(3), 3, x(2), 2, x(2), 2, nil, 0, x(3), 3, x(3))
		}},
		{"kernels: Attention: len(lse) = 2, need 4", func() {
			Attention(AttentionShape{1, 2, 2, 2, 1, 1}, 1, Mask{}, x(4), 2, x(2), 1, x(2), 1, nil, 0, x(4), 2, x(2))
		}},
		{"kernels: Attention: len(bias) = 7, need 8 (4 rows of 2, ld 2)", func() {
			Attention(AttentionShape{1, 2, 2, 2, 1, 1}, 1, Mask{}, x(4), 2, x(2), 1, x(2), 1, x(7), 2, x(4), 2, x(4))
		}},
		{"kernels: Attention: Window = -1, need at least 0", func() {
			Attention(AttentionShape{1, 2, 2, 2, 1, 1}, 1, Mask{Window: -1}, x(4), 2, x(2), 1, x(2), 1, nil, 0, x(4), 2, x(4))
		}},
		{"kernels: Attention: len(End) = 1, need 2", func() {
			Attention(AttentionShape{2, 1, 2, 2, 1, 1}, 1, Mask{End: []int{1}}, x(4), 2, x(4), 1, x(4), 1, nil, 0, x(4), 2, x(4))
		}},
		{"kernels: Attention: First[1] = 3, need 0 to 2", func() {
			Attention(AttentionShape{2, 1, 2, 2, 1, 1}, 1, Mask{First: []int{0, 3}}, x(4), 2, x(4), 1, x(4), 1, nil, 0, x(4), 2, x(4))
		}},
		{"kernels: AttentionGrad: lddv = 0, need at least 1 (columns of dv)", func() {
			AttentionGrad(AttentionShape{1, 2, 2, 2, 1, 1}, 1, Mask{}, x(4), 2, x(2), 1, x(2), 1, nil, 0, x(4), 2, x(4), x(4), 2, x(4), 2, x(2), 1, x(2), 0, nil, 0, true)
		}},
	} {
		if got := panics(c.call); got != c.want {
			t.Errorf("panics with %q, want %q", got, c.want)
		}
	}
}
