package kernels

import "sync"

// grain is the number of elements worth handing to another thread.
const grain = 1 << 14

// A spans computes an element- or row-wise operation in spans that threads
// share: body does the elements or rows from, …, to-1 of the operands T.
//
// Operands are passed by value, and by way of fields rather than a closure, so
// that a call allocates nothing. One set of them suffices, as one call at a time
// can have the threads: others run on their own goroutines, as in [Parallel].
type spans[T any] struct {
	body func(operands T, from, to int)

	mu        sync.Mutex // held by the call that is shared
	operands  T
	count, by int
	job       func(i int) // s.span, bound once
}

// elements computes n elements.
func (s *spans[T]) elements(n int, operands T) { s.run(n, grain, operands) }

// rows computes rows rows of n elements.
func (s *spans[T]) rows(rows, n int, operands T) {
	if rows > 0 && n > 0 {
		s.run(rows, max(grain/n, 1), operands)
	}
}

// columns computes n columns of rows elements: how sums over rows are split. They
// are as wide as the threads leave them, since memory is read fast in long runs.
func (s *spans[T]) columns(rows, n int, operands T) {
	const line = 64
	if rows > 0 && n > 0 {
		s.run(n, line*max(grain/(line*rows), ceil(ceil(n, Threads()), line)), operands)
	}
}

// run computes count elements, rows or columns, by so many at once.
func (s *spans[T]) run(count, by int, operands T) {
	if count <= by {
		s.body(operands, 0, count)
		return
	}
	s.share(count, by, operands)
}

// share computes several spans, on the threads if they are free.
func (s *spans[T]) share(count, by int, operands T) {
	if !s.mu.TryLock() {
		for from := 0; from < count; from += by {
			s.body(operands, from, min(from+by, count))
		}
		return
	}
	defer s.release()
	if s.job == nil {
		s.job = s.span
	}
	s.operands, s.count, s.by = operands, count, by
	Parallel((count+by-1)/by, s.job)
}

// span is one job.
func (s *spans[T]) span(i int) {
	s.body(s.operands, i*s.by, min((i+1)*s.by, s.count))
}

// release forgets the operands, so that they can be collected.
func (s *spans[T]) release() {
	var none T
	s.operands = none
	s.mu.Unlock()
}

// The vectors of an element-wise operation are its output and inputs, of one
// length, and what else it has of these.
type vectors struct {
	y, a, b []float32
	alpha   float32
	acc     bool
}

// The table of a row-wise operation is a matrix of n columns.
type table struct {
	x     []float32
	ld, n int
}

// row returns row i.
func (t *table) row(i int) []float32 { return t.x[i*t.ld : i*t.ld+t.n] }
