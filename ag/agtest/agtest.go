// Package agtest checks that a differentiable operator of package ag keeps
// what the package promises.
package agtest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/lowrank/lowrank/ag"
)

// Options of a check. Zero values stand for the defaults.
type Options struct {
	Seed      uint64  // of the random functional of the output and of what is sampled
	Step      float32 // of the differences; default 1/64, a power of two so that inputs of few bits are moved exactly
	Tolerance float64 // of the gradient, relative to its largest entry; default 1e-3
	Entries   int     // how many entries of each operand are moved one by one; default 24

	// Partial says that the gradient is by definition not that of the value
	// (a factor of it is taken as constant), so that no differences are compared.
	Partial bool
}

// Check builds the operator over inputs, of which those that require a gradient
// are trained, and returns every violation found, as one error:
//
//   - the gradient equals central differences of a random linear functional of
//     the output, evaluated in float64, entry by entry and along a random
//     direction through each operand
//   - with any subset of the operands trained, the trained ones get the same
//     gradient, by one AccGrad an occurrence, and the frozen ones get none;
//     inputs that Operands does not name, and those frozen after the first pass,
//     get none; Backward leaves all values untouched
//   - further backward passes add, also where only some gradients were cleared
//   - a replay gives the same output and gradients bit for bit
//   - spago's own Backward gives the same gradients as the tape
//   - the results are the same bit for bit for GOMAXPROCS 1, 2 and 8
//   - a step after the first allocates no memory
//
// It changes GOMAXPROCS for a while and counts the allocations of the whole
// process: it must not run beside other tests. The inputs stay as they are.
func Check(build func(inputs []ag.Tensor) ag.Function, inputs []*ag.Variable, opt Options) error {
	if opt.Step == 0 {
		opt.Step = 1. / 64
	}
	if opt.Tolerance == 0 {
		opt.Tolerance = 1e-3
	}
	if opt.Entries == 0 {
		opt.Entries = 24
	}
	c := &check{build: build, inputs: inputs, opt: opt, rng: rand.New(rand.NewPCG(opt.Seed, 1))}
	c.reference()
	if !opt.Partial {
		c.differences()
	}
	c.subsets()
	c.freeze()
	c.accumulation()
	c.replay()
	c.threads()
	c.allocations()
	if len(c.errs) == 0 { // spago waits for ever for a gradient that is missing
		c.spago()
	}
	return errors.Join(c.errs...)
}

// Random returns a rows×cols variable with values in [-2, 2) of 8 binary
// places, which the differences move exactly. It requires a gradient.
func Random(rows, cols int, seed uint64) *ag.Variable {
	rng := rand.New(rand.NewPCG(seed, uint64(rows*1000+cols)))
	v := ag.NewParameter(rows, cols, nil)
	for i := range v.Floats() {
		v.Floats()[i] = float32(rng.IntN(1024)-512) / 256
	}
	return v
}

type check struct {
	build  func(inputs []ag.Tensor) ag.Function
	inputs []*ag.Variable
	opt    Options
	rng    *rand.Rand
	errs   []error

	weights []float32 // of the functional, one an entry of the output
	all     uint      // the mask of the trained inputs
	used    []int     // how often Operands names each input
	output  []float32
	grads   [][]float32 // of each input, nil where it has none
}

func (c *check) errorf(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("agtest: "+format, args...))
}

// reference runs the operator once and keeps the output and the gradients.
func (c *check) reference() {
	for i, v := range c.inputs {
		if v.RequiresGrad() {
			c.all |= 1 << i
		}
	}
	g := c.graph(c.all)
	c.used = make([]int, len(c.inputs))
	for _, x := range g.fn.Operands() {
		for i, leaf := range g.leaves {
			if x == ag.Tensor(leaf) {
				c.used[i]++
			}
		}
	}
	if err := g.tape.Backward(g.loss); err != nil {
		c.errorf("%v", err)
	}
	c.output, c.grads = clone(ag.Floats(g.y)), g.gradients()
	for i, v := range c.inputs {
		switch got, want := c.grads[i] != nil, v.RequiresGrad() && c.used[i] > 0; {
		case got && !want:
			c.errorf("input %d has a gradient, but is no trained operand", i)
		case !got && want:
			c.errorf("input %d has no gradient", i)
		}
		if !equal(v.Floats(), g.vars[i].Floats()) {
			c.errorf("the values of input %d were changed", i)
		}
	}
	for _, grad := range c.grads {
		for e, x := range grad {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				c.errorf("a gradient is %g at entry %d", x, e)
				break
			}
		}
	}
}

// subsets trains every subset of the operands, frozen ones beside them.
func (c *check) subsets() {
	for mask := range c.all + 1 {
		if mask&^c.all != 0 {
			continue
		}
		g := c.graph(mask)
		if err := g.tape.Backward(g.loss); err != nil {
			c.errorf("%v", err)
		}
		for i, grad := range g.gradients() {
			if mask>>i&1 == 0 || c.used[i] == 0 {
				if grad != nil || g.leaves[i].calls != 0 {
					c.errorf("input %d is frozen while mask %b is trained, but got a gradient", i, mask)
				}
				continue
			}
			if calls := g.leaves[i].calls; calls != c.used[i] {
				c.errorf("AccGrad was called %d times on input %d, which is an operand %d times", calls, i, c.used[i])
			}
			c.near(grad, c.grads[i], 1, "input %d with mask %b trained", i, mask)
		}
	}
}

// freeze freezes all inputs of a graph that has run with them trained.
func (c *check) freeze() {
	g := c.graph(c.all)
	g.mustBackward()
	for _, v := range g.vars {
		v.ZeroGrad()
		v.SetRequiresGrad(false)
	}
	g.mustBackward()
	for i, v := range g.vars {
		if v.HasGrad() {
			c.errorf("input %d was frozen after the first pass, but got a gradient in the second", i)
		}
	}
}

// accumulation runs Backward again with no, and with some gradients cleared:
// three times, since a Backward that writes 2·dx where it should add dx is right
// after two.
func (c *check) accumulation() {
	g := c.graph(c.all)
	for times := range 3 {
		g.mustBackward()
		for i, grad := range g.gradients() {
			c.near(grad, c.grads[i], float32(times+1), "input %d after %d backward passes", i, times+1)
		}
	}
	for cleared := range g.vars {
		for i, v := range g.vars {
			v.ZeroGrad()
			for range 2 {
				if i != cleared && c.grads[i] != nil {
					v.AccGrad(ag.NewVariable(v.Rows(), v.Cols(), c.grads[i]))
				}
			}
		}
		g.mustBackward()
		for i, grad := range g.gradients() {
			times := float32(3)
			if i == cleared {
				times = 1
			}
			c.near(grad, c.grads[i], times, "input %d, cleared was %d", i, cleared)
		}
	}
}

// replay runs the graph again, also after other values in between.
func (c *check) replay() {
	g := c.graph(c.all)
	g.step()
	for i, v := range g.vars {
		copy(v.Floats(), Random(v.Rows(), v.Cols(), uint64(i)+99).Floats())
		for e := range v.Floats() {
			v.Floats()[e] += c.inputs[i].Floats()[e] / 4
		}
	}
	g.step()
	for i, v := range g.vars {
		copy(v.Floats(), c.inputs[i].Floats())
	}
	g.step()
	c.same(g, "in a replay")
}

// near compares a gradient with times the reference. Sums that begin at the
// gradient so far may round differently: 1e-5 of the largest entry is 84 units
// of rounding, and where all entries cancel out, 2⁻²² of the functional is two.
func (c *check) near(got, want []float32, times float32, format string, args ...any) {
	if len(got) != len(want) {
		c.errorf("%s: %d entries of the gradient, want %d", fmt.Sprintf(format, args...), len(got), len(want))
		return
	}
	bound := times * (1e-5*largest(want) + float32(math.Ldexp(c.norm(), -22)))
	for e := range got {
		if d := got[e] - times*want[e]; !(d <= bound && -d <= bound) {
			c.errorf("%s: gradient %g at entry %d, want %g", fmt.Sprintf(format, args...), got[e], e, times*want[e])
			return
		}
	}
}

// same compares output and gradients with the reference bit for bit.
func (c *check) same(g *graph, when string) {
	if !equal(ag.Floats(g.y), c.output) {
		c.errorf("another output %s", when)
	}
	for i, grad := range g.gradients() {
		if !equal(grad, c.grads[i]) {
			c.errorf("another gradient of input %d %s", i, when)
		}
	}
}

func largest(x []float32) (m float32) {
	for _, v := range x {
		m = max(m, v, -v)
	}
	return m
}

func equal(a, b []float32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return false
		}
	}
	return true
}

func clone(x []float32) []float32 { return append([]float32(nil), x...) }
