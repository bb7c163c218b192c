package ag_test

import (
	"math"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/ag/agtest"
)

// TestBlind: queries that see no key get what a softmax of scores gives which a
// huge negative number has made all equal, and so do the gradients through it.
func TestBlind(t *testing.T) {
	const batch, tokens, heads, kv, dim = 2, 5, 4, 2, 3
	const n, kn = heads * dim, kv * dim
	first := []int{2, 0}
	q, k, v := agtest.Random(batch*tokens, n, 1), agtest.Random(batch*tokens, kn, 2), agtest.Random(batch*tokens, kn, 3)
	bias := agtest.Random(heads*tokens, tokens, 4)
	weights := agtest.Random(batch*tokens, n, 5).Floats()
	tape := ag.NewTape()
	y := tape.Run(ag.NewAttentionTo(q, k, v, batch, tokens, tokens, heads, kv, ag.AttentionOptions{
		Mask: ag.Mask{Causal: true, First: first}, Bias: bias,
	}))
	if err := tape.Backward(tape.Run(ag.NewWeightedMean(y, weights))); err != nil {
		t.Fatal(err)
	}

	at := func(x []float32, width, b, i, h int) []float32 { return x[(b*tokens+i)*width+h*dim:][:dim] }
	dot := func(a, b []float32) (s float64) {
		for d := range a {
			s += float64(a[d]) * float64(b[d])
		}
		return s
	}
	scale := 1 / math.Sqrt(dim)
	out := make([]float64, batch*tokens*n)
	dq, dk, dv, db := make([]float64, len(out)), make([]float64, batch*tokens*kn), make([]float64, batch*tokens*kn), make([]float64, heads*tokens*tokens)
	for b := range batch {
		for i := range tokens {
			for h := range heads {
				g := h * kv / heads
				p, sum := make([]float64, tokens), 0.0
				for j := range p {
					s := scale*dot(at(q.Floats(), n, b, i, h), at(k.Floats(), kn, b, j, g)) + float64(bias.Floats()[(h*tokens+i)*tokens+j])
					switch {
					case i < first[b]:
						p[j] = 1 // every score is the same
					case j <= i && j >= first[b]:
						p[j] = math.Exp(s)
					}
					sum += p[j]
				}
				dy := at(weights, n, b, i, h)
				dp, mean := make([]float64, tokens), 0.0
				for j := range p {
					p[j] /= sum
					for d := range dim {
						out[(b*tokens+i)*n+h*dim+d] += p[j] * float64(at(v.Floats(), kn, b, j, g)[d])
						dv[(b*tokens+j)*kn+g*dim+d] += p[j] * float64(dy[d])
					}
					dp[j] = dot(dy, at(v.Floats(), kn, b, j, g))
					mean += p[j] * dp[j]
				}
				for j := range p {
					ds := p[j] * (dp[j] - mean)
					db[(h*tokens+i)*tokens+j] += ds
					for d := range dim {
						dq[(b*tokens+i)*n+h*dim+d] += scale * ds * float64(at(k.Floats(), kn, b, j, g)[d])
						dk[(b*tokens+j)*kn+g*dim+d] += scale * ds * float64(at(q.Floats(), n, b, i, h)[d])
					}
				}
			}
		}
	}
	for _, c := range []struct {
		name  string
		got   []float32
		want  []float64
		times float64
	}{
		{"y", ag.Floats(y), out, 1},
		{"dq", q.GradFloats(), dq, batch * tokens * n}, {"dk", k.GradFloats(), dk, batch * tokens * n},
		{"dv", v.GradFloats(), dv, batch * tokens * n}, {"dbias", bias.GradFloats(), db, batch * tokens * n},
	} {
		for i, g := range c.got {
			if w := c.want[i] / c.times; math.Abs(float64(g)-w) > 1e-6 { // a few roundings of numbers below two
				t.Errorf("%s[%d] is %g, want %g", c.name, i, g, w)
				break
			}
		}
	}
}
