package ag_test

import (
	"math"
	"testing"

	"github.com/lowrank/lowrank/ag"
)

// A cube is a tensor of three dimensions.
type cube struct{ ag.Tensor }

func (cube) Shape() []int { return []int{1, 1, 1} }

// Every constructor refuses operands that do not fit, with both shapes.
func TestShapeErrors(t *testing.T) {
	v := func(rows, cols int) ag.Tensor { return ag.NewVariable(rows, cols, nil) }
	w := ag.NewWeight(5, 8, make([]float32, 40))
	for _, c := range []struct {
		build func()
		want  string
	}{
		{func() { ag.NewVariable(2, 3, make([]float32, 5)) }, "NewVariable: 5 values for a 2×3 matrix"},
		{func() { ag.NewVariable(-1, -3, nil) }, "NewVariable: -1×-3: sizes must not be negative"},
		{func() { ag.NewWeight(2, 3, nil) }, "NewWeight: 0 values for a 2×3 matrix"},
		{func() { w.Set(ag.Values{Floats: make([]float32, 3)}) }, "Weight.Set: 3 values for a 5×8 matrix"},
		{func() { ag.NewGELU(cube{v(1, 1)}) }, "Dims: a tensor of shape [1 1 1]: must have two dimensions"},

		{func() { ag.NewAdd(v(2, 3), v(3, 2)) }, "Add: a is 2×3, b is 3×2: both must have one shape"},
		{func() { ag.NewMul(v(2, 3), v(2, 4)) }, "Mul: a is 2×3, b is 2×4: both must have one shape"},
		{func() { ag.NewDiv(v(2, 3), v(1, 3)) }, "Div: a is 2×3, b is 1×3: both must have one shape"},
		{func() { ag.NewSwiGLU(v(2, 3), v(2, 4)) }, "SwiGLU: gate is 2×3, up is 2×4: both must have one shape"},
		{func() { ag.NewAddBias(v(2, 3), v(3, 1)) }, "AddBias: x is 2×3, b is 3×1: b must be 1×3"},
		{func() { ag.NewScaleCols(v(2, 3), v(1, 2)) }, "ScaleCols: x is 2×3, g is 1×2: g must be 1×3"},
		{func() { ag.NewScaleRows(v(2, 3), v(1, 3)) }, "ScaleRows: x is 2×3, g is 1×3: g must be 2×1 or 1×2"},
		{func() { ag.NewRMSNorm(v(2, 3), v(1, 2), 0) }, "RMSNorm: x is 2×3, w is 1×2: w must be 1×3"},
		{func() { ag.NewLayerNorm(v(2, 3), v(2, 3), v(1, 3), 0) }, "LayerNorm: x is 2×3, w is 2×3: w must be 1×3"},
		{func() { ag.NewLayerNorm(v(2, 3), v(1, 3), v(1, 4), 0) }, "LayerNorm: x is 2×3, b is 1×4: b must be 1×3"},

		{func() { ag.NewLinear(v(12, 96), v(8, 128)) }, "Linear: x is 12×96, W is 8×128: x must have 128 columns"},
		{func() { ag.NewFrozenLinear(v(2, 7), w) }, "FrozenLinear: x is 2×7, W0 is 5×8: x must have 8 columns"},
		{func() { ag.NewLinear(v(12, 8), v(3, 8)).AddBias(v(1, 8)) }, "Linear: y is 12×3, its bias is 1×8: must be 1×3"},
		{func() { ag.NewFrozenLinear(v(2, 8), w).AddBias(v(5, 1)) }, "FrozenLinear: y is 2×5, its bias is 5×1: must be 1×5"},
		{func() { ag.NewProduct(v(5, 2), v(3, 8), 1) }, "Product: B is 5×2, A is 3×8: A must have 2 rows"},
		{func() { ag.NewLowRankLinear(v(4, 7), w, v(2, 8), v(5, 2), 1, nil) }, "LowRankLinear: x is 4×7, W0 is 5×8: x must have 8 columns"},
		{func() { ag.NewLowRankLinear(v(4, 8), w, v(2, 8), v(5, 2), 1, nil).Drop(1, &ag.Noise{}) }, "LowRankLinear: dropout is 1: must be in [0, 1)"},
		{func() { ag.NewLowRankLinear(v(4, 8), w, v(2, 7), v(5, 2), 1, nil) }, "LowRankLinear: A is 2×7, W0 is 5×8: A must have 8 columns"},
		{func() { ag.NewLowRankLinear(v(4, 8), w, v(2, 8), v(5, 3), 1, nil) }, "LowRankLinear: B is 5×3, W0 is 5×8, A is 2×8: B must be 5×2"},
		{func() { ag.NewLowRankLinear(v(4, 8), w, v(2, 8), v(5, 2), 1, v(3, 1)) }, "LowRankLinear: gates are 3×1, x is 4×8, A is 2×8: gates need 4 rows and columns that divide 2"},
		{func() { ag.NewLowRankLinear(v(4, 8), w, v(3, 8), v(5, 3), 1, v(4, 2)) }, "LowRankLinear: gates are 4×2, x is 4×8, A is 3×8: gates need 4 rows and columns that divide 3"},
		{func() { ag.NewLowRankLinear(v(4, 8), w, v(3, 8), v(5, 3), 1, v(4, 0)) }, "LowRankLinear: gates are 4×0, x is 4×8, A is 3×8: gates need 4 rows and columns that divide 3"},
		{func() { ag.NewRowNorms(w, v(2, 7), v(5, 2), 1) }, "RowNorms: A is 2×7, W0 is 5×8: A must have 8 columns"},
		{func() { ag.NewRowNorms(w, v(2, 8), v(4, 2), 1) }, "RowNorms: B is 4×2, W0 is 5×8, A is 2×8: B must be 5×2"},

		{func() { ag.NewEmbedding(v(4, 3), []int32{0, 4}) }, "Embedding: id 4 of token 1, the table is 4×3: ids must be in 0..3"},
		{func() { ag.NewEmbedding(v(4, 3), []int32{-1}) }, "Embedding: id -1 of token 0, the table is 4×3: ids must be in 0..3"},
		{func() { ag.NewCrossEntropy(v(2, 3), []int32{0}) }, "CrossEntropy: logits are 2×3, 1 targets: must be one a row"},
		{func() { ag.NewCrossEntropy(v(2, 3), []int32{0, 3}) }, "CrossEntropy: target 3 of row 1, logits are 2×3: targets must be below 3"},

		{func() { ag.NewLookup(v(3, 4), []int32{0, 4}, 1) }, "Lookup: id 4 of token 1, a is 3×4: ids must be in 0..3"},
		{func() { ag.NewLookup(v(3, 4), []int32{-1}, 1) }, "Lookup: id -1 of token 0, a is 3×4: ids must be in 0..3"},
		{func() { ag.NewWeightedMean(v(2, 3), make([]float32, 5)) }, "WeightedMean: x is 2×3, 5 weights: must be one an entry"},
		{func() { ag.NewMeanSquare(v(2, 3), make([]float32, 2)) }, "MeanSquare: x is 2×3, 2 targets: must be one an entry"},
		{func() { ag.NewBinaryCrossEntropy(v(2, 3), nil) }, "BinaryCrossEntropy: x is 2×3, 0 targets: must be one an entry"},
		{func() { ag.NewBinaryCrossEntropy(v(2, 2), []float32{0, 1, 1, 1.5}) }, "BinaryCrossEntropy: target 1.5 of row 1, column 1: targets must be in [0, 1]"},
		{func() { ag.NewBinaryCrossEntropy(v(1, 1), []float32{float32(math.NaN())}) }, "BinaryCrossEntropy: target NaN of row 0, column 0: targets must be in [0, 1]"},

		{func() { ag.NewReshape(v(2, 3), 4, 2) }, "Reshape: x is 2×3, y is 4×2: both must have as many values"},
		{func() { ag.NewReshape(v(2, 3), -2, -3) }, "Reshape: x is 2×3, y is -2×-3: both must have as many values"},
		{func() { ag.NewPrepend(v(5, 3), v(1, 3), 2) }, "Prepend: x is 5×3, 2 sequences: x must have as many rows of each"},
		{func() { ag.NewPrepend(v(5, 3), v(1, 3), 0) }, "Prepend: x is 5×3, 0 sequences: x must have as many rows of each"},
		{func() { ag.NewPrepend(v(4, 3), v(1, 2), 2) }, "Prepend: x is 4×3, c is 1×2: c must be 1×3"},
		{func() { ag.NewChannelsFirst(v(5, 3), 2, 3) }, "ChannelsFirst: x is 5×3, 2 images of 3 positions: x must have 6 rows"},
		{func() { ag.NewUnfold(v(2, 8), ag.Window{1, 3, 3, 2, 2, 1, 1, 0, 0}) }, "Unfold: x is 2×8, 1 channels of 3×3: x must have 9 columns"},
		{func() { ag.NewUnfold(v(2, 9), ag.Window{1, 3, 3, 2, 2, 1, 0, 0, 0}) }, "Unfold: window: StrideWidth = 0, need at least 1"},
		{func() { ag.NewUnfold(v(2, 9), ag.Window{1, 3, 3, 2, 2, 1, 1, -1, 0}) }, "Unfold: window: PadHeight = -1, need at least 0"},
		{func() { ag.NewUnfold(v(2, 9), ag.Window{1, 3, 3, 6, 2, 1, 1, 1, 0}) }, "Unfold: window: KernelHeight = 6, need 1 to 5"},
		{func() { ag.NewUnfold(v(2, 9), ag.Window{1, 3, 3, 3, 4, 1, 1, 0, 0}) }, "Unfold: window: KernelWidth = 4, need 1 to 3"},
		{func() { ag.NewRelativeBias(v(32, 8), 3, -1, 0, true, 128) }, "RelativeBias: 3 tokens, -1 keys, offset 0: must not be negative"},
		{func() { ag.NewRelativeBias(v(3, 8), 3, 3, 0, true, 128) }, "RelativeBias: the table is 3×8, bidirectional true: must have at least 4 rows"},
		{func() { ag.NewRelativeBias(v(1, 8), 3, 3, 0, false, 128) }, "RelativeBias: the table is 1×8, bidirectional false: must have at least 2 rows"},
		{func() { ag.NewRelativeBias(v(32, 8), 3, 3, 0, true, 8) }, "RelativeBias: the table is 32×8, largest distance 8: must be above 8"},
		{func() { ag.NewRelativeBias(v(32, 8), 3, 3, 0, false, 16) }, "RelativeBias: the table is 32×8, largest distance 16: must be above 16"},

		{func() { ag.NewRoPEWith(v(4, 8), 2, 4, 4, ag.RoPEOptions{}) }, "RoPE: 0 frequencies, heads of 4: must be 2"},
		{func() { ag.NewRoPEWith(v(4, 8), 2, 4, -1, ag.RoPEOptions{}) }, "RoPE: 2 heads of 4, -1 tokens: dim must be even, all positive"},
		{func() { ag.NewRoPEWith(v(4, 4), 2, 2, 4, ag.RoPEOptions{Frequencies: []float64{1}, Offset: -1}) }, "RoPE: scale 0, offset -1: must not be negative"},
		{func() { ag.NewRoPEWith(v(4, 6), 2, 2, 4, ag.RoPEOptions{Frequencies: []float64{1}}) }, "RoPE: x is 4×6, 2 heads of 2: x must have 4 columns"},
		{func() { ag.NewRoPE(v(4, 8), 3, 2, 4, 1e4) }, "RoPE: x is 4×8, 3 heads of 2: x must have 6 columns"},
		{func() { ag.NewRoPE(v(4, 9), 3, 3, 4, 1e4) }, "RoPE: 3 heads of 3, 4 tokens, theta 10000: dim must be even, all positive"},
		{func() { ag.NewRoPE(v(4, 8), 4, 2, 0, 1e4) }, "RoPE: 4 heads of 2, 0 tokens, theta 10000: dim must be even, all positive"},
		{func() { ag.NewAttention(v(6, 8), v(6, 8), v(6, 8), 2, 3, 4, 3, true) }, "Attention: 2 sequences of 3 tokens, 4 heads, 3 key heads: heads must be a multiple of key heads"},
		{func() { ag.NewAttention(v(5, 8), v(5, 8), v(5, 8), 2, 3, 4, 4, true) }, "Attention: q is 5×8, 2 sequences of 3 tokens, 4 heads: q must have 6 rows and a multiple of 4 columns"},
		{func() { ag.NewAttention(v(6, 8), v(6, 8), v(6, 8), 2, 3, 4, 2, true) }, "Attention: q is 6×8, k is 6×8, 4 heads of 2, 2 key heads: k must be 6×4"},
		{func() { ag.NewAttention(v(6, 8), v(6, 4), v(5, 4), 2, 3, 4, 2, true) }, "Attention: q is 6×8, v is 5×4, 4 heads of 2, 2 key heads: v must be 6×4"},

		{func() { ag.NewAttentionTo(v(6, 8), v(8, 4), v(6, 4), 2, 3, 4, 4, 2, ag.AttentionOptions{}) }, "Attention: q is 6×8, v is 6×4, 4 heads of 2, 2 key heads: v must be 8×4"},
		{func() {
			ag.NewAttentionTo(v(6, 8), v(8, 4), v(8, 4), 2, 3, 4, 4, 2, ag.AttentionOptions{Bias: v(3, 4)})
		}, "Attention: bias is 3×4, 4 heads of 3 tokens, 4 keys: bias must be 12×4"},
		{func() {
			ag.NewAttentionTo(v(6, 8), v(8, 4), v(8, 4), 2, 3, 4, 4, 2, ag.AttentionOptions{Mask: ag.Mask{End: []int{4, 5}}})
		}, "Attention: 2 sequences of 3 tokens and 4 keys: mask: End[1] = 5, need 0 to 4"},

		{func() { ag.NewTopKSoftmax(v(2, 3), 4) }, "TopKSoftmax: z is 2×3, k is 4: k must be in 1..3"},
		{func() { ag.NewBalance(v(2, 3), 0) }, "Balance: z is 2×3, k is 0: k must be in 1..3"},
		{func() { ag.NewSum([]float32{1}, v(1, 1), v(1, 1)) }, "Sum: 1 weights, 2 tensors: must be as many"},
		{func() { ag.NewSum([]float32{1}, v(1, 2)) }, "Sum: x is 1×2: must be 1×1"},
	} {
		err := ag.Guard(c.build)
		if err == nil || err.Error() != "ag: "+c.want {
			t.Errorf("the error is %v, want ag: %s", err, c.want)
		}
	}
}

// No tokens, no rank and no features are shapes like others.
func TestEmptyShapes(t *testing.T) {
	v := func(rows, cols int) ag.Tensor { return ag.NewParameter(rows, cols, nil) }
	w := ag.NewWeight(5, 8, make([]float32, 40))
	for _, f := range []ag.Function{
		ag.NewAdd(v(0, 3), v(0, 3)), ag.NewMul(v(0, 3), v(0, 3)), ag.NewDiv(v(0, 3), v(0, 3)), ag.NewSwiGLU(v(3, 0), v(3, 0)),
		ag.NewAddBias(v(0, 3), v(1, 3)), ag.NewScaleCols(v(3, 0), v(1, 0)), ag.NewScaleRows(v(0, 3), v(1, 0)),
		ag.NewRMSNorm(v(0, 3), v(1, 3), 1), ag.NewLayerNorm(v(3, 0), v(1, 0), v(1, 0), 1), ag.NewGELU(v(0, 0)), ag.NewSoftmax(v(0, 3)),
		ag.NewLinear(v(0, 3), v(2, 3)), ag.NewFrozenLinear(v(0, 8), w), ag.NewProduct(v(5, 0), v(0, 8), 1), ag.NewRowNorms(w, v(0, 8), v(5, 0), 1), ag.NewRowNorms(w, v(0, 8), v(5, 0), 1).Attach(),
		ag.NewLowRankLinear(v(4, 8), w, v(0, 8), v(5, 0), 1, nil), ag.NewLowRankLinear(v(0, 8), w, v(2, 8), v(5, 2), 1, v(0, 2)),
		ag.NewEmbedding(v(4, 3), nil), ag.NewCrossEntropy(v(0, 3), nil), ag.NewRoPE(v(0, 8), 2, 4, 5, 10),
		ag.NewAttention(v(0, 8), v(0, 8), v(0, 8), 0, 5, 2, 2, true), ag.NewAttentionTo(v(6, 8), v(0, 8), v(0, 8), 2, 3, 0, 2, 2, ag.AttentionOptions{Bias: v(6, 0)}), ag.NewTopKSoftmax(v(0, 3), 2), ag.NewBalance(v(0, 3), 2),
		ag.NewOrthogonality(v(0, 3), true), ag.NewSum(nil),
		ag.NewGELUTanh(v(0, 3)), ag.NewQuickGELU(v(0, 3)), ag.NewSiLU(v(3, 0)), ag.NewTanh(v(0, 3)), ag.NewReLU(v(0, 3)), ag.NewScale(v(0, 3), 2),
		ag.NewReshape(v(0, 3), 7, 0), ag.NewLookup(v(0, 4), []int32{3}, 1),
		ag.NewPrepend(v(0, 3), v(1, 3), 0), ag.NewPrepend(v(0, 3), v(1, 3), 2), ag.NewChannelsFirst(v(0, 3), 2, 0), ag.NewUnfold(v(0, 1), ag.Window{1, 1, 1, 1, 1, 1, 1, 0, 0}),
		ag.NewWeightedMean(v(0, 3), nil), ag.NewMeanSquare(v(0, 3), nil), ag.NewBinaryCrossEntropy(v(3, 0), nil),
		ag.NewRelativeBias(v(32, 2), 0, 0, 0, true, 128), ag.NewRelativeBias(v(32, 2), 3, 0, 0, false, 128), ag.NewRelativeBias(v(32, 0), 3, 3, 0, true, 128),
	} {
		tape := ag.NewTape()
		y := tape.Run(f)
		y.AccGrad(ag.NewVariable(y.Shape()[0], y.Shape()[1], nil))
		if err := f.Backward(y.Grad()); err != nil {
			t.Error(err)
		}
	}
}
