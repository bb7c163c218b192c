package kernels

import (
	"sync"
	"testing"
)

// Every element is computed exactly once, in spans that depend on the size alone:
// the same on several threads, and while another call has them.
func TestSpans(t *testing.T) {
	type operands struct {
		mu   *sync.Mutex
		seen []int
		ends map[[2]int]bool
	}
	s := spans[operands]{body: func(o operands, from, to int) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.ends[[2]int{from, to}] = true
		for i := from; i < to; i++ {
			o.seen[i]++
		}
	}}
	for _, c := range []struct{ count, by, spans int }{{0, 4, 1}, {1, 4, 1}, {4, 4, 1}, {5, 4, 2}, {8, 4, 2}, {1000, 7, 143}} {
		compute := func() error {
			o := operands{new(sync.Mutex), make([]int, c.count), map[[2]int]bool{}}
			s.run(c.count, c.by, o)
			for i, n := range o.seen {
				if n != 1 {
					t.Errorf("%d by %d: element %d was computed %d times, want once", c.count, c.by, i, n)
				}
			}
			if len(o.ends) != c.spans || !o.ends[[2]int{0, min(c.count, c.by)}] {
				t.Errorf("%d by %d: spans %v, want %d", c.count, c.by, o.ends, c.spans)
			}
			return nil
		}
		onThreads(compute)
		s.mu.Lock()
		compute()
		s.mu.Unlock()
		if s.operands.seen != nil {
			t.Errorf("%d by %d: the operands are still held", c.count, c.by)
		}
	}
}

// A call in many spans allocates nothing.
func TestSpansAllocations(t *testing.T) {
	x, y := make([]float32, 3*grain), make([]float32, 3*grain)
	if n := testing.AllocsPerRun(10, func() {
		Add(y, y, x)
		Softmax(3*grain/128, 128, x, 128, y, 128)
		RMSNormGrad(3*grain/128, 128, x, 128, x, x, x, 128, y, 128, false, y)
	}); n != 0 {
		t.Errorf("%g allocations, want none", n)
	}
}

// A panic leaves the spans ready for the next call.
func TestSpansPanic(t *testing.T) {
	fail := true
	s := spans[struct{}]{body: func(struct{}, int, int) {
		if fail {
			panic("failed")
		}
	}}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic of the body is lost")
			}
		}()
		s.run(10, 1, struct{}{})
	}()
	fail = false
	s.run(10, 1, struct{}{})
	if !s.mu.TryLock() {
		t.Error("the spans are held after a panic")
	}
}
