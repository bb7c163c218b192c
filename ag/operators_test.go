package ag_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
)

type inputs = []ag.Tensor

// An operator at one shape, as agtest.Check wants it.
type operator struct {
	name   string
	build  func(in inputs) ag.Function
	inputs []*ag.Variable
	opt    agtest.Options
}

// operators lists every operator of the package at several shapes, with sizes
// of one, and sizes that no vector or tile length divides.
func operators() (list []operator) {
	add := func(name string, opt agtest.Options, build func(in inputs) ag.Function, in ...*ag.Variable) {
		shape := ""
		for _, v := range in {
			shape += fmt.Sprintf(" %d×%d", v.Rows(), v.Cols())
		}
		list = append(list, operator{name + shape, build, in, opt})
	}
	seed := uint64(0)
	random := func(rows, cols int) *ag.Variable {
		seed++
		return agtest.Random(rows, cols, seed)
	}
	weight := func(out, in int) *ag.Weight { return ag.NewWeight(out, in, random(out, in).Floats()) }
	var none agtest.Options

	for _, s := range [][2]int{{1, 1}, {3, 7}, {17, 33}, {65, 3}} {
		m, n := s[0], s[1]
		add("Add", none, func(in inputs) ag.Function { return ag.NewAdd(in[0], in[1]) }, random(m, n), random(m, n))
		add("Mul", none, func(in inputs) ag.Function { return ag.NewMul(in[0], in[1]) }, random(m, n), random(m, n))
		add("Div", none, func(in inputs) ag.Function { return ag.NewDiv(in[0], in[1]) }, random(m, n), awayFromZero(random(m, n)))
		add("Div by frozen", none, func(in inputs) ag.Function { return ag.NewDiv(in[0], in[1]) }, random(m, n), frozen(awayFromZero(random(m, n))))
		add("AddBias", none, func(in inputs) ag.Function { return ag.NewAddBias(in[0], in[1]) }, random(m, n), random(1, n))
		add("ScaleRows", none, func(in inputs) ag.Function { return ag.NewScaleRows(in[0], in[1]) }, random(m, n), random(1, m))
		add("ScaleRows", none, func(in inputs) ag.Function { return ag.NewScaleRows(in[0], in[1]) }, random(m, n), random(m, 1))
		add("ScaleCols", none, func(in inputs) ag.Function { return ag.NewScaleCols(in[0], in[1]) }, random(m, n), random(1, n))
		add("ScaleCols with a bias", none, func(in inputs) ag.Function { return ag.NewScaleCols(in[0], in[1]).AddBias(in[2]) }, random(m, n), random(1, n), random(1, n))
		add("RMSNorm", none, func(in inputs) ag.Function { return ag.NewRMSNorm(in[0], in[1], 1e-5) }, awayFromZero(random(m, n)), random(1, n))
		add("LayerNorm", none, func(in inputs) ag.Function { return ag.NewLayerNorm(in[0], in[1], in[2], 1e-2) }, random(m, n), random(1, n), random(1, n))
		add("SwiGLU", none, func(in inputs) ag.Function { return ag.NewSwiGLU(in[0], in[1]) }, random(m, n), random(m, n))
		add("GELU", none, func(in inputs) ag.Function { return ag.NewGELU(in[0]) }, random(m, n))
		add("Softmax", none, func(in inputs) ag.Function { return ag.NewSoftmax(in[0]) }, random(m, n))
		add("GELUTanh", none, func(in inputs) ag.Function { return ag.NewGELUTanh(in[0]) }, random(m, n))
		add("QuickGELU", none, func(in inputs) ag.Function { return ag.NewQuickGELU(in[0]) }, random(m, n))
		add("SiLU", none, func(in inputs) ag.Function { return ag.NewSiLU(in[0]) }, random(m, n))
		add("Tanh", none, func(in inputs) ag.Function { return ag.NewTanh(in[0]) }, random(m, n))
		add("ReLU", none, func(in inputs) ag.Function { return ag.NewReLU(in[0]) }, awayFromZero(random(m, n)))
		add("Scale", none, func(in inputs) ag.Function { return ag.NewScale(in[0], -0.75) }, random(m, n))
		add("Reshape", none, func(in inputs) ag.Function { return ag.NewReshape(in[0], n, m) }, random(m, n))
		add("Prepend to one", none, func(in inputs) ag.Function { return ag.NewPrepend(in[0], in[1], 1) }, random(m, n), random(1, n))
		add("Prepend to each", none, func(in inputs) ag.Function { return ag.NewPrepend(in[0], in[1], m) }, random(m, n), random(1, n))
		add("ChannelsFirst", none, func(in inputs) ag.Function { return ag.NewChannelsFirst(in[0], 1, m) }, random(m, n))
		values, shares := random(m, n).Floats(), random(m, n).Floats()
		for i := range shares {
			shares[i] = shares[i]/4 + 0.5
		}
		add("WeightedMean", none, func(in inputs) ag.Function { return ag.NewWeightedMean(in[0], values) }, random(m, n))
		add("MeanSquare", none, func(in inputs) ag.Function { return ag.NewMeanSquare(in[0], values) }, random(m, n))
		add("BinaryCrossEntropy", none, func(in inputs) ag.Function { return ag.NewBinaryCrossEntropy(in[0], shares) }, random(m, n))
		for _, byRows := range []bool{true, false} {
			add(fmt.Sprintf("Orthogonality byRows=%t", byRows), none, func(in inputs) ag.Function { return ag.NewOrthogonality(in[0], byRows) }, random(m, n))
		}

		ids, targets := make([]int32, 7), make([]int32, m)
		for i := range ids {
			ids[i] = int32(i * i % m)
		}
		for i := range targets {
			targets[i] = int32(i*i%(n+1)) - 1 // -1: ignored
		}
		add("Embedding", none, func(in inputs) ag.Function { return ag.NewEmbedding(in[0], ids) }, random(m, n))
		add("Embedding but of row 1", agtest.Options{Partial: true}, func(in inputs) ag.Function { return ag.NewEmbedding(in[0], ids).Except([]int32{1}) }, random(m, n))
		add("Lookup but of column 1", agtest.Options{Partial: true}, func(in inputs) ag.Function {
			return ag.NewLookup(in[0], ids, 0.75).Except([]int32{1})
		}, random(n, m))
		add("Lookup", none, func(in inputs) ag.Function { return ag.NewLookup(in[0], ids, 0.75) }, random(n, m))
		add("CrossEntropy", none, func(in inputs) ag.Function { return ag.NewCrossEntropy(in[0], targets) }, random(m, n))
		add("CrossEntropy divisor 5", none, func(in inputs) ag.Function {
			f := ag.NewCrossEntropy(in[0], targets)
			f.SetDivisor(5)
			return f
		}, random(m, n))
	}

	for _, s := range [][4]int{{1, 1, 1, 1}, {3, 7, 5, 2}, {17, 33, 31, 4}, {33, 17, 65, 8}} {
		m, n, out, r := s[0], s[1], s[2], s[3]
		w := weight(out, n)
		add("Linear", none, func(in inputs) ag.Function { return ag.NewLinear(in[0], in[1]) }, random(m, n), random(out, n))
		add("FrozenLinear", none, func(in inputs) ag.Function { return ag.NewFrozenLinear(in[0], w) }, random(m, n))
		add("FrozenLinear with a bias", none, func(in inputs) ag.Function { return ag.NewFrozenLinear(in[0], w).AddBias(in[1]) }, random(m, n), random(1, out))
		add("FrozenLinear streamed, with a bias", none, func(in inputs) ag.Function {
			return ag.NewFrozenLinear(in[0], ag.NewStreamedWeight(out, n, ag.Values{Floats: w.Floats()})).AddBias(in[1])
		}, random(m, n), random(1, out))
		add("Linear with a bias", none, func(in inputs) ag.Function { return ag.NewLinear(in[0], in[1]).AddBias(in[2]) }, random(m, n), random(out, n), random(1, out))
		add("Product", none, func(in inputs) ag.Function { return ag.NewProduct(in[0], in[1], 0.75) }, random(out, r), random(r, n))
		add("RowNorms", none, func(in inputs) ag.Function { return ag.NewRowNorms(w, in[0], in[1], 0.75) }, random(r, n), random(out, r))
		for _, at := range []*ag.Weight{w, ag.NewStreamedWeight(out, n, w.Values())} {
			add("RowNorms attached", none, func(in inputs) ag.Function { return ag.NewRowNorms(at, in[0], in[1], 0.75).Attach() }, random(r, n), random(out, r))
		}
		add("LowRankLinear", none, func(in inputs) ag.Function {
			return ag.NewLowRankLinear(in[0], w, in[1], in[2], 0.75, nil)
		}, random(m, n), random(r, n), random(out, r))
		add("LowRankLinear with a bias", none, func(in inputs) ag.Function {
			return ag.NewLowRankLinear(in[0], w, in[1], in[2], 0.75, nil).AddBias(in[3])
		}, random(m, n), random(r, n), random(out, r), random(1, out))
		add("LowRankLinear gated, with a bias", none, func(in inputs) ag.Function {
			return ag.NewLowRankLinear(in[0], w, in[1], in[2], 0.75, in[3]).AddBias(in[4])
		}, random(m, n), random(r, n), random(out, r), random(m, 1), random(1, out))
		add("LowRankLinear dropped", none, func(in inputs) ag.Function {
			return ag.NewLowRankLinear(in[0], w, in[1], in[2], 0.75, nil).Drop(0.4, &ag.Noise{Seed: 1, Draw: 2, On: true})
		}, random(m, n), random(r, n), random(out, r))
		for _, experts := range slices.Compact([]int{1, r/2 + r%2, r}) {
			add("LowRankLinear gated and dropped", none, func(in inputs) ag.Function {
				return ag.NewLowRankLinear(in[0], w, in[1], in[2], 0.75, in[3]).Drop(0.4, &ag.Noise{Seed: 1, Draw: 2, On: true})
			}, random(m, n), random(r, n), random(out, r), random(m, experts))
			add("LowRankLinear gated", none, func(in inputs) ag.Function {
				return ag.NewLowRankLinear(in[0], w, in[1], in[2], 0.75, in[3])
			}, random(m, n), random(r, n), random(out, r), random(m, experts))
		}
	}

	for _, s := range [][3]int{{1, 1, 1}, {7, 3, 1}, {7, 3, 2}, {17, 7, 3}, {17, 7, 7}} {
		m, e, k := s[0], s[1], s[2]
		add(fmt.Sprintf("TopKSoftmax k=%d", k), none, func(in inputs) ag.Function { return ag.NewTopKSoftmax(in[0], k) }, distinct(m, e))
		// With k = E the constant factor f moves with z.
		opt := agtest.Options{Partial: k == e}
		add(fmt.Sprintf("Balance k=%d", k), opt, func(in inputs) ag.Function { return ag.NewBalance(in[0], k) }, distinct(m, e))
	}

	for _, s := range [][4]int{{1, 1, 2, 1}, {2, 3, 6, 3}, {3, 7, 10, 5}} { // batch, tokens, dim, heads
		batch, tokens, dim, heads := s[0], s[1], s[2], s[3]
		add("RoPE", none, func(in inputs) ag.Function { return ag.NewRoPE(in[0], heads, dim, tokens, 100) }, random(batch*tokens, heads*dim))
	}
	add("RoPE cut", none, func(in inputs) ag.Function { return ag.NewRoPE(in[0], 1, 4, 5, 100) }, random(7, 4))

	add("RoPE behind a cache", none, func(in inputs) ag.Function {
		return ag.NewRoPEWith(in[0], 3, 4, 5, ag.RoPEOptions{Frequencies: []float64{0.7, -2}, Scale: 1.25, Offset: 9})
	}, random(10, 12))

	add("Prepend", none, func(in inputs) ag.Function { return ag.NewPrepend(in[0], in[1], 3) }, random(21, 5), random(1, 5))
	add("ChannelsFirst", none, func(in inputs) ag.Function { return ag.NewChannelsFirst(in[0], 3, 7) }, random(21, 5))
	for _, w := range windows {
		add(fmt.Sprintf("Unfold %v", w), none, func(in inputs) ag.Function { return ag.NewUnfold(in[0], w) }, random(3, w.In()))
	}
	for _, bidirectional := range []bool{true, false} {
		for _, s := range [][6]int{{4, 1, 1, 1, 0, 2}, {8, 3, 5, 7, 2, 5}, {33, 2, 1, 67, 66, 50}} { // buckets, heads, tokens, keys, offset, distance
			if !bidirectional {
				s[5] *= 2
			}
			add(fmt.Sprintf("RelativeBias %d×%d bidirectional=%t", s[2], s[3], bidirectional), none, func(in inputs) ag.Function {
				return ag.NewRelativeBias(in[0], s[2], s[3], s[4], bidirectional, s[5])
			}, random(s[0], s[1]))
		}
	}

	for _, s := range [][5]int{{1, 1, 1, 1, 1}, {2, 3, 2, 1, 3}, {1, 17, 3, 3, 5}, {2, 7, 4, 2, 7}, {1, 67, 1, 1, 3}} {
		batch, tokens, heads, kv, dim := s[0], s[1], s[2], s[3], s[4]
		for _, causal := range []bool{false, true} {
			add(fmt.Sprintf("Attention %d of %d causal=%t", batch, tokens, causal), none, func(in inputs) ag.Function {
				return ag.NewAttention(in[0], in[1], in[2], batch, tokens, heads, kv, causal)
			}, random(batch*tokens, heads*dim), random(batch*tokens, kv*dim), random(batch*tokens, kv*dim))
		}
	}

	for _, c := range []struct {
		name         string
		tokens, keys int
		options      ag.AttentionOptions
		blind        bool // the gradient is not that of the value
	}{
		{"to other keys", 3, 7, ag.AttentionOptions{}, false},
		{"over a cache", 3, 7, ag.AttentionOptions{Mask: ag.Mask{Causal: true, Offset: 4}}, false},
		{"padded behind", 7, 7, ag.AttentionOptions{Mask: ag.Mask{End: []int{7, 5}}}, false},
		{"causal, padded before", 7, 7, ag.AttentionOptions{Mask: ag.Mask{Causal: true, First: []int{3, 0}}}, true},
		{"in a window", 9, 9, ag.AttentionOptions{Mask: ag.Mask{Causal: true, Window: 3}}, false},
		{"of scale 1", 5, 7, ag.AttentionOptions{Scale: 1}, false},
	} {
		const batch, heads, kv, dim = 2, 4, 2, 3
		operands := []*ag.Variable{random(batch*c.tokens, heads*dim), random(batch*c.keys, kv*dim), random(batch*c.keys, kv*dim)}
		for _, biased := range []bool{false, true} {
			if biased {
				operands = append(operands, random(heads*c.tokens, c.keys))
			}
			opt := agtest.Options{Partial: c.blind}
			add(fmt.Sprintf("Attention %s bias=%t", c.name, biased), opt, func(in inputs) ag.Function {
				o := c.options
				if biased {
					o.Bias = in[3]
				}
				return ag.NewAttentionTo(in[0], in[1], in[2], batch, c.tokens, c.keys, heads, kv, o)
			}, operands...)
		}
	}

	add("Sum", none, func(in inputs) ag.Function { return ag.NewSum([]float32{0.5, -2, 0}, in...) }, random(1, 1), random(1, 1), random(1, 1))

	// One tensor in several places.
	add("Add twice", none, func(in inputs) ag.Function { return ag.NewAdd(in[0], in[0]) }, random(3, 7))
	add("Mul twice", none, func(in inputs) ag.Function { return ag.NewMul(in[0], in[0]) }, random(3, 7))
	add("Linear twice", none, func(in inputs) ag.Function { return ag.NewLinear(in[0], in[0]) }, random(3, 7))
	add("SwiGLU twice", none, func(in inputs) ag.Function { return ag.NewSwiGLU(in[0], in[0]) }, random(3, 7))
	add("Prepend twice", none, func(in inputs) ag.Function { return ag.NewPrepend(in[0], in[0], 1) }, random(1, 7))
	add("Attention thrice", none, func(in inputs) ag.Function {
		return ag.NewAttention(in[0], in[0], in[0], 1, 7, 2, 2, true)
	}, random(7, 6))
	return list
}

func frozen(v *ag.Variable) *ag.Variable {
	v.SetRequiresGrad(false)
	return v
}

// awayFromZero moves values to 1 ≤ |x| < 3, where a step of the differences is
// small against a divisor or a norm.
func awayFromZero(v *ag.Variable) *ag.Variable {
	for i, x := range v.Floats() {
		if x < 0 {
			v.Floats()[i] = x - 1
		} else {
			v.Floats()[i] = x + 1
		}
	}
	return v
}

// distinct returns logits whose differences within a row are at least 1/4, so
// that no step of the differences changes their order.
func distinct(rows, cols int) *ag.Variable {
	rng := rand.New(rand.NewPCG(uint64(rows), uint64(cols)))
	v := ag.NewParameter(rows, cols, nil)
	for i := range rows {
		for j, rank := range rng.Perm(cols) {
			v.Floats()[i*cols+j] = float32(rank)/4 - 0.5
		}
	}
	return v
}

func TestOperators(t *testing.T) {
	for i, op := range operators() {
		t.Run(op.name, func(t *testing.T) {
			op.opt.Seed = uint64(i)
			if err := agtest.Check(op.build, op.inputs, op.opt); err != nil {
				t.Error(err)
			}
		})
	}
}
