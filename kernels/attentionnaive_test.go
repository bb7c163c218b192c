package kernels

import (
	"math"
	"slices"
	"testing"
)

// A naive is attention in float64, on matrices without gaps, all scores at once.
type naive struct {
	*attentionCase
	q, k, v, bias, y, lse, dq, dk, dv, dbias []float64
	largest                                  float64 // of the scores
}

func (c *attentionCase) naive() *naive {
	n := &naive{attentionCase: c}
	n.q, n.k, n.v, n.bias = all(c.q), all(c.k), all(c.v), all(c.bias)
	if !c.biased {
		n.bias = make([]float64, c.heads*c.tokens*c.keys)
	}
	return n
}

// all returns the elements of g.
func all(g *guarded) (x []float64) {
	for i := range g.rows {
		x = append(x, g.doubles(i)...)
	}
	return x
}

// each calls f with the place of each row of queries, of its biases, and of the keys
// that it sees, for every head.
func (n *naive) each(f func(row, qi, bias int, keys, places []int)) {
	for b := range n.batch {
		for h := range n.heads {
			for i := range n.tokens {
				keys := seen(n.mask, b, i, n.keys)
				places := slices.Clone(keys)
				for j := range places {
					places[j] = ((b*n.keys+keys[j])*n.kvHeads + h/(n.heads/n.kvHeads)) * n.dim
				}
				f((b*n.heads+h)*n.tokens+i, ((b*n.tokens+i)*n.heads+h)*n.dim, (h*n.tokens+i)*n.keys, keys, places)
			}
		}
	}
}

func (n *naive) probabilities(qi, bias int, keys, places []int) (p []float64, lse float64) {
	p = make([]float64, len(keys))
	top, total := math.Inf(-1), 0.0
	for j := range p {
		for d := range n.dim {
			p[j] += float64(n.scale()) * n.q[qi+d] * n.k[places[j]+d]
		}
		p[j] += n.bias[bias+keys[j]]
		top = max(top, p[j])
		n.largest = max(n.largest, math.Abs(p[j]))
	}
	for j := range p {
		p[j] = math.Exp(p[j] - top)
		total += p[j]
	}
	for j := range p {
		p[j] /= total
	}
	return p, top + math.Log(total)
}

func (n *naive) forward() *naive {
	n.y, n.lse = make([]float64, len(n.q)), make([]float64, n.batch*n.heads*n.tokens)
	n.each(func(row, qi, bias int, keys, places []int) {
		p, lse := n.probabilities(qi, bias, keys, places)
		n.lse[row] = lse
		for j, pj := range p {
			for d := range n.dim {
				n.y[qi+d] += pj * n.v[places[j]+d]
			}
		}
	})
	return n
}

func (n *naive) backward(dy []float64) {
	n.dq, n.dk, n.dv = make([]float64, len(n.q)), make([]float64, len(n.k)), make([]float64, len(n.v))
	n.dbias = make([]float64, len(n.bias))
	n.each(func(row, qi, bias int, keys, places []int) {
		p, _ := n.probabilities(qi, bias, keys, places)
		dp, mean := make([]float64, len(p)), 0.0
		for j := range p {
			for d := range n.dim {
				dp[j] += dy[qi+d] * n.v[places[j]+d]
				n.dv[places[j]+d] += p[j] * dy[qi+d]
			}
			mean += p[j] * dp[j]
		}
		for j := range p {
			ds := p[j] * (dp[j] - mean)
			n.dbias[bias+keys[j]] += ds
			for d := range n.dim {
				n.dq[qi+d] += float64(n.scale()) * ds * n.k[places[j]+d]
				n.dk[places[j]+d] += float64(n.scale()) * ds * n.q[qi+d]
			}
		}
	})
}

// The reference itself against central differences.
func TestNaiveAttention(t *testing.T) {
	for _, mask := range []Mask{{}, causal, {First: []int{0, 2}, Window: 2, Offset: 1}} {
		n := attentionCase{batch: 2, tokens: 5, heads: 4, kvHeads: 2, dim: 3, mask: mask, biased: true}.draw().naive().forward()
		for i, x := range n.k {
			if x != x { // padding
				n.k[i], n.v[i] = 1, 1
			}
		}
		dy := make([]float64, len(n.y))
		for i := range dy {
			dy[i] = math.Sin(float64(i))
		}
		n.backward(dy)
		for name, x := range map[string]struct{ at, got []float64 }{
			"dq": {n.q, n.dq}, "dk": {n.k, n.dk}, "dv": {n.v, n.dv}, "dbias": {n.bias, n.dbias},
		} {
			want := gradient(func([]float64) []float64 { return slices.Clone(n.forward().y) }, x.at, dy)
			for i := range want {
				if math.Abs(x.got[i]-want[i]) > 1e-8 {
					t.Fatalf("%+v: %s[%d] = %g, differences give %g", mask, name, i, x.got[i], want[i])
				}
			}
		}
	}
}
