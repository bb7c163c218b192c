package agtest

import (
	"math"

	"github.com/lowrank/lowrank/ag"
)

// differences compares the gradient with differences of fourth order,
// (8(L(h)-L(-h)) - (L(2h)-L(-2h)))/12h. They are off by h⁴/30 of the fifth
// derivative, and by the rounding of the output, 2⁻²⁴ of an entry for each
// operation that it took and divided by h: 2⁻²⁰ of the output's norm bounds
// sixteen of them.
func (c *check) differences() {
	g := c.graph(c.all)
	noise := math.Ldexp(c.norm(), -20)
	for i, grad := range c.grads {
		if grad == nil {
			continue
		}
		x := g.vars[i].Floats()
		for _, e := range c.sample(len(x)) {
			h := float64(c.opt.Step)
			got, want := float64(grad[e]), c.slope(g, x, func(k int) (int, float32) { return e, 1 }, 1, h)
			if bound := c.opt.Tolerance*float64(largest(grad)) + noise/h; !(math.Abs(got-want) <= bound) {
				c.errorf("gradient of input %d is %g at entry %d, differences give %g (±%.2g)", i, got, e, want, bound)
			}
		}
		// Along ±1 in all entries, by a step that moves as far as one entry.
		h := math.Ldexp(float64(c.opt.Step), -int(math.Ceil(math.Log2(float64(len(x)))/2)))
		var got, square float64
		signs := make([]float32, len(x))
		for e := range x {
			signs[e] = float32(1 - 2*c.rng.IntN(2))
			got += float64(signs[e]) * float64(grad[e])
			square += float64(grad[e]) * float64(grad[e])
		}
		want := c.slope(g, x, func(k int) (int, float32) { return k, signs[k] }, len(x), h)
		if bound := c.opt.Tolerance*math.Sqrt(square) + noise/h; !(math.Abs(got-want) <= bound) {
			c.errorf("gradient of input %d is %g along a random direction, differences give %g (±%.2g)", i, got, want, bound)
		}
	}
}

// slope differentiates the functional along n entries of x and their signs.
func (c *check) slope(g *graph, x []float32, entry func(k int) (e int, sign float32), n int, h float64) float64 {
	saved := clone(x)
	at := func(steps float64) float64 {
		for k := range n {
			e, sign := entry(k)
			x[e] = saved[e] + sign*float32(steps*h)
		}
		g.tape.Replay()
		copy(x, saved)
		return c.functional(ag.Floats(g.y))
	}
	return (8*(at(1)-at(-1)) - (at(2) - at(-2))) / (12 * h)
}

// functional is Σ w_i·y_i.
func (c *check) functional(y []float32) (sum float64) {
	for i, v := range y {
		sum += float64(c.weights[i]) * float64(v)
	}
	return sum
}

// norm is sqrt(Σ (w_i·y_i)²), at least 2⁻¹⁰ of that of the weights.
func (c *check) norm() float64 {
	var square, weights float64
	for i, v := range c.output {
		w := float64(c.weights[i])
		square += w * w * float64(v) * float64(v)
		weights += w * w
	}
	return max(math.Sqrt(square), math.Ldexp(math.Sqrt(weights), -10))
}

// sample returns the first, the last and other entries, in random order.
func (c *check) sample(n int) []int {
	perm := c.rng.Perm(n)
	if n <= c.opt.Entries {
		return perm
	}
	return append(perm[:c.opt.Entries], 0, n-1)
}
