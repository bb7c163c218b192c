package ag

import (
	"slices"
	"sync"

	"github.com/nlpodyssey/spago/mat"
)

// written is what a Backward passes to AccGrad after it has written into the
// gradient buffer itself: spago counts the calls of AccGrad.
var written mat.Tensor = newDense(0, 0)

// Accumulate lets write put the gradient of x into x's own buffer: acc says
// whether to add to what is there or to overwrite it. A Backward calls it
// exactly once for each operand that requires a gradient, one at a time. For
// a tensor that is not a Variable it goes through a matrix of its own.
func Accumulate(x Tensor, write func(g []float32, acc bool)) {
	v, ok := x.Value().(*Variable)
	if !ok {
		g := newDense(Dims(x))
		write(mat.Data[float32](g), false)
		x.AccGrad(g)
		return
	}
	v.accumulate(write)
	x.AccGrad(written)
}

// pass hands dy, the gradient of an operator's output y, on to operands that it is
// the gradient of as it is. One of them that has none yet takes over the buffer, if
// both are of one tape and y needs it no more.
func (o *output) pass(dy Tensor, operands ...Tensor) {
	var heir Tensor
	mine := !o.y.retain && o.y.grad != nil && dy == Tensor(o.y.grad)
	for _, x := range operands {
		if !x.RequiresGrad() {
			continue
		}
		if v, ok := x.Value().(*Variable); mine && heir == nil && ok && v.ws != nil && v.ws == o.y.ws && !v.has {
			heir = x
			continue
		}
		x.AccGrad(dy)
	}
	if heir == nil {
		return
	}
	v := heir.Value().(*Variable)
	if v.has { // it stands there twice
		heir.AccGrad(dy)
		return
	}
	v.grad, v.has = o.y.grad, true
	o.y.grad, o.y.has = nil, false
	heir.AccGrad(written)
}

// gradients is Accumulate for a kernel that computes the gradients of several
// operands at once. Operands that are frozen, that stand there twice or that
// are no Variables get a buffer of its own.
type gradients struct {
	xs  []Tensor
	vs  []*Variable // written directly in the present pass, else nil
	own []*mat.Dense[float32]
	g   [][]float32
}

func newGradients(xs ...Tensor) *gradients {
	n := len(xs)
	return &gradients{xs, make([]*Variable, n), make([]*mat.Dense[float32], n), make([][]float32, n)}
}

// locking is held while the buffers of several variables are locked one after
// the other, so that two such callers cannot wait for each other.
var locking sync.Mutex

// accumulate lets write put the gradient of each operand into g, which has one
// buffer an operand; acc says whether to add to them all or to overwrite them.
func (s *gradients) accumulate(write func(g [][]float32, acc bool)) {
	s.write(write)
	for i, x := range s.xs {
		switch {
		case !x.RequiresGrad():
		case s.vs[i] != nil:
			x.AccGrad(written)
		default:
			x.AccGrad(s.own[i])
		}
	}
}

func (s *gradients) write(write func(g [][]float32, acc bool)) {
	defer func() {
		for _, v := range s.vs {
			if v != nil {
				v.mu.Unlock()
			}
		}
	}()
	acc := s.lock()
	for i, v := range s.vs {
		if acc && (v == nil || !v.has) {
			clear(s.g[i])
		}
	}
	write(s.g, acc)
	for _, v := range s.vs {
		if v != nil {
			v.has = true
		}
	}
}

// lock fills vs and g, and reports whether any buffer holds a gradient.
func (s *gradients) lock() (acc bool) {
	clear(s.vs)
	locking.Lock()
	defer locking.Unlock()
	for i, x := range s.xs {
		v, ok := x.Value().(*Variable)
		if ok && x.RequiresGrad() && !slices.Contains(s.vs, v) {
			v.mu.Lock()
			s.vs[i] = v
			var has bool
			s.g[i], has = v.sink()
			acc = acc || has
			continue
		}
		if s.own[i] == nil {
			s.own[i] = newDense(Dims(x))
		}
		s.g[i] = mat.Data[float32](s.own[i])
	}
	return acc
}
