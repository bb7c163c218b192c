package ag

import (
	"sync"

	"github.com/lowrank/lowrank/kernels"
)

// panels are the memory that streamed weights are packed into, vectors what
// operators need within a call: one for each call at work.
var (
	panels  stack[kernels.Packed]
	vectors stack[[]float32]
)

// A stack keeps values that are out of use for whoever needs one next.
type stack[T any] struct {
	mu   sync.Mutex
	free []*T
}

func (s *stack[T]) get() *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.free)
	if n == 0 {
		return new(T)
	}
	x := s.free[n-1]
	s.free = s.free[:n-1]
	return x
}

func (s *stack[T]) put(x *T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, x)
}

// borrow returns a vector of n values, which are not defined.
func borrow(n int) *[]float32 {
	x := vectors.get()
	if cap(*x) < n {
		*x = make([]float32, n)
	}
	*x = (*x)[:n]
	return x
}
