package agtest

import (
	"fmt"
	"runtime"
	"time"

	"github.com/lowrank/lowrank/ag"
	spago "github.com/nlpodyssey/spago/ag"
)

// A graph is the operator over copies of the inputs, and a scalar functional
// of its output.
type graph struct {
	vars   []*ag.Variable
	leaves []*leaf
	tape   *ag.Tape
	fn     ag.Function
	y      ag.Tensor
	loss   ag.Tensor
}

// A leaf is a tensor that wraps a variable, as spago's nn.Param does, and
// counts how often it is given a gradient.
type leaf struct {
	*ag.Variable
	calls int
}

func (l *leaf) AccGrad(g ag.Tensor) {
	l.calls++
	l.Variable.AccGrad(g)
}

// copies fills vars with copies of the inputs, those of the mask trained.
func (c *check) copies(mask uint) (vars []*ag.Variable) {
	for i, v := range c.inputs {
		x := ag.NewVariable(v.Rows(), v.Cols(), clone(v.Floats()))
		x.SetRequiresGrad(mask>>i&1 == 1)
		vars = append(vars, x)
	}
	return vars
}

func (c *check) graph(mask uint) *graph {
	g := &graph{vars: c.copies(mask), tape: ag.NewTape()}
	var xs []ag.Tensor
	for _, v := range g.vars {
		l := &leaf{Variable: v}
		g.leaves = append(g.leaves, l)
		xs = append(xs, l)
	}
	g.fn = c.build(xs)
	g.y = g.tape.Run(g.fn)
	g.loss = g.tape.Run(c.newFunctional(g.y))
	return g
}

// step replays the graph and computes the gradients anew.
func (g *graph) step() {
	g.tape.Replay()
	for _, v := range g.vars {
		v.ZeroGrad()
	}
	g.mustBackward()
}

func (g *graph) mustBackward() {
	if err := g.tape.Backward(g.loss); err != nil {
		panic(err) // the root is 1×1, and reference has seen no other error
	}
}

func (g *graph) gradients() (grads [][]float32) {
	for _, v := range g.vars {
		grads = append(grads, append([]float32(nil), v.GradFloats()...))
	}
	return grads
}

// A functional is Σ w_i·x_i over all entries, 1×1.
type functional struct {
	c *check
	x ag.Tensor
	y *ag.Variable
}

func (c *check) newFunctional(x ag.Tensor) *functional {
	for range len(ag.Floats(x)) - len(c.weights) {
		c.weights = append(c.weights, float32(c.rng.IntN(512)-256)/256+1./1024)
	}
	return &functional{c, x, ag.NewVariable(1, 1, nil)}
}

func (f *functional) Operands() []ag.Tensor { return []ag.Tensor{f.x} }

func (f *functional) Forward() (ag.Tensor, error) {
	f.y.Floats()[0] = float32(f.c.functional(ag.Floats(f.x)))
	return f.y, nil
}

func (f *functional) Backward(gy ag.Tensor) error {
	if f.x.RequiresGrad() {
		dy := ag.Floats(gy)[0]
		ag.Accumulate(f.x, func(dx []float32, acc bool) {
			for i, w := range f.c.weights {
				if !acc {
					dx[i] = 0
				}
				dx[i] += dy * w
			}
		})
	}
	return nil
}

// An identity is y = x, an operator in front of the checked one: of operands
// that are operators, spago's Backward counts the gradients.
type identity struct {
	x ag.Tensor
	y *ag.Variable
}

func (f *identity) Operands() []ag.Tensor { return []ag.Tensor{f.x} }

func (f *identity) Forward() (ag.Tensor, error) {
	copy(f.y.Floats(), ag.Floats(f.x))
	return f.y, nil
}

func (f *identity) Backward(gy ag.Tensor) error {
	if f.x.RequiresGrad() {
		f.x.AccGrad(gy)
	}
	return nil
}

// spago runs the operator between others under spago's own Backward, which
// never returns if an operand gets no gradient.
func (c *check) spago() {
	vars := c.copies(c.all)
	var xs []ag.Tensor
	for _, v := range vars {
		xs = append(xs, spago.NewOperator(&identity{v, ag.NewVariable(v.Rows(), v.Cols(), nil)}).Run())
	}
	y := spago.NewOperator(c.build(xs)).Run()
	loss := spago.NewOperator(c.newFunctional(y)).Run()
	done := make(chan error, 1)
	go func() { done <- spago.Backward(loss) }()
	select {
	case err := <-done:
		if err != nil {
			c.errorf("spago's Backward: %v", err)
		}
	case <-time.After(10 * time.Second): // a step takes milliseconds
		c.errorf("spago's Backward does not return: an operand got no gradient")
		return
	}
	c.same(&graph{vars: vars, y: y}, "under spago's Backward")
}

// threads runs steps with several GOMAXPROCS.
func (c *check) threads() {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, n := range []int{1, 2, 8} {
		runtime.GOMAXPROCS(n)
		g := c.graph(c.all)
		g.step()
		c.same(g, fmt.Sprintf("with GOMAXPROCS=%d", n))
	}
}

// allocations counts those of a step. Other goroutines may allocate meanwhile,
// so the smallest of several counts is taken.
func (c *check) allocations() {
	vars := c.copies(c.all)
	g := &graph{vars: vars, tape: ag.NewTape()}
	var xs []ag.Tensor
	for _, v := range vars {
		xs = append(xs, v)
	}
	g.y = g.tape.Run(c.build(xs))
	g.loss = g.tape.Run(c.newFunctional(g.y))
	g.step()
	g.step()
	least := ^uint64(0)
	var before, after runtime.MemStats
	for range 5 {
		runtime.ReadMemStats(&before)
		g.step()
		runtime.ReadMemStats(&after)
		least = min(least, after.Mallocs-before.Mallocs)
	}
	if least != 0 {
		c.errorf("a step allocates %d objects", least)
	}
	c.same(g, "over plain variables")
}
