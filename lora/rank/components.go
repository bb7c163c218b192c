package rank

import (
	"fmt"
	"math"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// components are the rank-one terms of a map, with what AdaLoRA knows of them.
type components struct {
	m       *adapter.Map
	a, b, e *tracked  // e is nil where the map has no factor E
	mask    []float32 // 1: in use, 0: pruned
	scores  []float64 // the importance of each, as of the last choice
}

// tracked is a factor with the moving averages of the sensitivity I = |w·g| of
// each entry, and of |I - mean|, its uncertainty.
type tracked struct {
	*adapter.Factor
	mean, uncertainty []float32
}

func newComponents(m *adapter.Map) (*components, error) {
	c := &components{m: m, a: track(m.Factor("A")), b: track(m.Factor("B")), e: track(m.Factor("E"))}
	if c.a == nil || c.b == nil {
		return nil, fmt.Errorf("rank: AdaLoRA: %s has no factors A and B to prune", m.Name)
	}
	c.mask, c.scores = make([]float32, m.Rank), make([]float64, m.Rank)
	for k := range c.mask {
		c.mask[k] = 1
	}
	return c, nil
}

func track(f *adapter.Factor) *tracked {
	if f == nil {
		return nil
	}
	n := len(f.Floats())
	return &tracked{f, make([]float32, n), make([]float32, n)}
}

// observe updates the averages with the present weights and gradients (arXiv
// 2303.10512, section 3.2; the uncertainty is against the new mean, as in the
// authors' code).
func (c *components) observe(beta1, beta2 float64) {
	for _, t := range []*tracked{c.a, c.b, c.e} {
		if t != nil {
			t.observe(float32(beta1), float32(beta2))
		}
	}
}

func (t *tracked) observe(beta1, beta2 float32) {
	mean := t.mean
	w, g, uncertainty := t.Floats()[:len(mean)], t.GradFloats(), t.uncertainty[:len(mean)]
	if g == nil {
		g = make([]float32, len(mean))
	}
	for i, g := range g[:len(mean)] {
		now := abs(w[i] * g)
		m := beta1*mean[i] + (1-beta1)*now
		mean[i], uncertainty[i] = m, beta2*uncertainty[i]+(1-beta2)*abs(now-m)
	}
}

// rate makes the importance of all components: that of E_k, and the means of those
// of A's row and B's column.
func (c *components) rate() {
	for k := range c.scores {
		s := c.a.average(k*c.m.In, 1, c.m.In) + c.b.average(k, c.m.Rank, c.m.Out)
		if c.e != nil {
			s += c.e.average(k, 1, 1)
		}
		c.scores[k] = s
	}
}

// average returns the mean of n scores from entry at on, stride apart.
func (t *tracked) average(at, stride, n int) float64 {
	var sum float64
	for range n {
		sum += float64(t.mean[at]) * float64(t.uncertainty[at])
		at += stride
	}
	return sum / float64(n)
}

// prune sets what is masked to zero.
func (c *components) prune() {
	for k, keep := range c.mask {
		switch {
		case keep != 0:
		case c.e != nil:
			c.e.Floats()[k] = 0
		default:
			b := c.b.Floats()
			for i := k; i < len(b); i += c.m.Rank {
				b[i] = 0
			}
		}
	}
}

func (c *components) buffers() []optim.Buffer {
	all := []optim.Buffer{{Name: c.m.Name + "/adalora.mask", Values: c.mask}}
	for _, t := range []*tracked{c.a, c.b, c.e} {
		if t != nil {
			all = append(all,
				optim.Buffer{Name: c.m.Name + "/adalora.mean." + t.Name, Values: t.mean},
				optim.Buffer{Name: c.m.Name + "/adalora.uncertainty." + t.Name, Values: t.uncertainty})
		}
	}
	return all
}

// abs is |x|, of which [max] would look for NaN and the sign of 0 first.
func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }
