package step

import (
	"fmt"
	"strings"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// Flops returns the floating-point operations that a step's matrix products
// need, two a multiply-add, nothing computed twice counted: of every map
// forward, for the gradient of its input, where it has one, and of what of it
// is trained; of attention, the pairs of tokens that see each other. Of the
// output count the rows that have a label, and of a classifier's last block those that
// are read. Lookups in tables, and what goes element by element, do not count.
func (t *Training) Flops() float64 {
	adapted := map[*nn.Linear]*adapter.Map{}
	first := map[*nn.Linear]bool{}
	if t.Set != nil {
		for i, m := range t.Set.Maps {
			adapted[m.Linear] = m
			first[m.Linear] = i < 3 // q, k and v, whose input depends on nothing that is trained
		}
	}
	classifies := t.Model.Task() == nn.Classification
	flops := t.Shape.attention(classifies)
	for _, l := range t.Model.Linears() {
		if l.Kind != nn.Dense {
			continue
		}
		rows := float64(t.Shape.Batch * t.Shape.Tokens)
		switch {
		case classifies && t.Shape.readOnce(l):
			rows = float64(t.Shape.Batch)
		case l.Output:
			rows = float64(t.counted)
		}
		switch m := adapted[l]; {
		case m == nil:
			flops += dense(rows, l, true, l.W.RequiresGrad())
		case m.Form().LowRank():
			flops += lowRank(rows, m, !first[l])
		default:
			flops += dense(rows, l, !first[l], true) + weight(m)
		}
	}
	return flops
}

// readOnce reports whether a map of BERT's classifier has one row a sequence: on the
// blocks, and in the last of them all but the keys' and the values'.
func (s Shape) readOnce(l *nn.Linear) bool {
	of, last := strings.CutPrefix(l.Name, fmt.Sprintf("bert.encoder.layer.%d.", s.Layers-1))
	return l.Output || l.Name == pooler || last && of != "attention.self.key" && of != "attention.self.value"
}

// attention is of q·kᵀ and p·v, and of the gradients of their four operands:
// six products over the width for each pair of tokens. In a classifier's last block
// there is one query a sequence.
func (s Shape) attention(classifies bool) float64 {
	pairs := float64(s.Tokens * s.Tokens)
	if s.Causal {
		pairs = float64(s.Tokens*(s.Tokens+1)) / 2
	}
	pairs *= float64(s.Layers)
	if classifies {
		pairs -= float64(s.Tokens * (s.Tokens - 1))
	}
	return 2 * 6 * float64(s.Batch) * pairs * float64(s.Hidden)
}

// dense is of y = x·Wᵀ, and of the gradients of x and W where they are wanted.
func dense(rows float64, l *nn.Linear, ofInput, ofWeight bool) float64 {
	products := 1.0
	if ofInput {
		products++
	}
	if ofWeight {
		products++
	}
	return 2 * rows * float64(l.In) * float64(l.Out) * products
}

// lowRank is of y = x·W0ᵀ + (x·Aᵀ)·Bᵀ with a frozen W0, of the gradient of x
// where it is wanted, and of those of A and B where they are trained or made of
// what is; with a gain, of the norms of the rows of W0 + B·A (see
// [ag.RowNorms]); with singular values, of the Gram matrices of A and B that
// are held near the identity, and their gradients.
func lowRank(rows float64, m *adapter.Map, ofInput bool) float64 {
	in, out, r := float64(m.In), float64(m.Out), float64(m.Rank)
	f := m.Form()
	flops := dense(rows, m.Linear, ofInput, false)
	flops += 2 * rows * r * (in + out) // x·Aᵀ and its product with Bᵀ
	flops += 2 * rows * r * out        // v = dy·B
	if ofInput {
		flops += 2 * rows * r * in // v·A
	}
	if f.A.RequiresGrad() {
		flops += 2 * rows * r * in // vᵀ·x
	}
	if f.B.RequiresGrad() {
		flops += 2 * rows * r * out // dyᵀ·u
	}
	if f.Gain != nil {
		flops += 2*out*in*r + 2*r*r*(in+out)
	}
	if m.Factor("E") != nil {
		flops += 2 * 2 * r * r * (in + out)
	}
	return flops
}

// weight is of what makes W' of the factors: nothing, or B·A and the gradients
// of both.
func weight(m *adapter.Map) float64 {
	if m.Factor("A") == nil {
		return 0
	}
	return 2 * 3 * float64(m.In) * float64(m.Out) * float64(m.Rank)
}
