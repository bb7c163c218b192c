package kernels

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Parallel calls f(0), …, f(n-1), each exactly once and in no fixed order, and
// returns when all are done. The calls run on the calling goroutine and on the
// idle workers of one pool that the whole package shares, [Threads] goroutines
// at most. While the pool is busy, and inside an f, Parallel runs everything on
// the calling goroutine. It starts no goroutine per call and allocates nothing.
//
// Calls must split outputs, never a sum, so that results do not depend on the
// number of threads. If an f panics, calls not begun yet are dropped, and
// Parallel panics with the first value once the others have returned.
func Parallel(n int, f func(i int)) {
	helpers := 0
	if n > 1 {
		helpers = min(Threads(), n) - 1
	}
	if helpers < 1 || !pool.mu.TryLock() {
		for i := range n {
			f(i)
		}
		return
	}
	pool.share(n, f, helpers)
}

// limit is what SetThreads set; 0: GOMAXPROCS.
var limit atomic.Int64

// Threads returns how many goroutines a call may run on.
func Threads() int {
	procs := runtime.GOMAXPROCS(0)
	if n := int(limit.Load()); n > 0 {
		return min(n, procs)
	}
	return procs
}

// SetThreads bounds the goroutines of a call; 0 lifts the bound. A program that
// computes several things side by side sets 1, so that they do not compete for
// the same processors. Results do not depend on it.
func SetThreads(n int) { limit.Store(int64(max(n, 0))) }

// A workers is a pool of goroutines that serve one call of Parallel at a time.
type workers struct {
	mu      sync.Mutex // held by the call that is served
	started int        // goroutines so far
	wake    chan struct{}
	resting sync.WaitGroup // the helpers woken for this call and not yet done

	f      func(i int)
	n      int64
	next   atomic.Int64
	failed atomic.Pointer[any]
}

// maxWorkers bounds the goroutines of the pool.
const maxWorkers = 1024

var pool = workers{wake: make(chan struct{}, maxWorkers)}

// share serves one call with up to helpers workers beside the caller.
func (w *workers) share(n int, f func(i int), helpers int) {
	helpers = min(helpers, maxWorkers)
	for ; w.started < helpers; w.started++ {
		go func() {
			for range w.wake {
				w.work()
				w.resting.Done()
			}
		}()
	}
	w.f, w.n = f, int64(n)
	w.next.Store(0)
	w.resting.Add(helpers)
	for range helpers {
		w.wake <- struct{}{}
	}
	defer w.finish() // deferred for an f that ends its goroutine
	w.work()
}

// work calls f for the next index until none is left.
func (w *workers) work() {
	defer func() {
		if v := recover(); v != nil {
			failure := v // a variable of its own, as it moves to the heap
			w.failed.CompareAndSwap(nil, &failure)
			w.next.Store(w.n)
		}
	}()
	for i := w.next.Add(1) - 1; i < w.n; i = w.next.Add(1) - 1 {
		w.f(int(i))
	}
}

// finish waits for the helpers that have begun, takes back the calls to those
// that have not, frees the pool and raises what an f raised.
func (w *workers) finish() {
	w.next.Store(w.n)
	for begun := false; !begun; {
		select {
		case <-w.wake:
			w.resting.Done()
		default:
			begun = true
		}
	}
	w.resting.Wait()
	failed := w.failed.Swap(nil)
	w.f = nil
	w.mu.Unlock()
	if failed != nil {
		panic(*failed)
	}
}
