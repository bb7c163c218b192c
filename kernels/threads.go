package kernels

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
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
//
// Places beside the caller are free for as many helpers as the call may have. A
// helper that rests takes one within a fraction of a microsecond while it still
// looks for one, as between the kernels of a training step, and is woken through
// a channel after that.
type workers struct {
	mu      sync.Mutex // held by the call that is served
	started int        // goroutines so far
	places  atomic.Int64
	working atomic.Int64 // helpers that took a place and are not done
	asleep  atomic.Int64 // helpers that wait in wake, or are about to, and have no call
	wake    chan struct{}
	waiting atomic.Bool // the caller waits in idle for working to fall to zero
	idle    chan struct{}

	f      func(i int)
	n      int64
	next   atomic.Int64
	failed atomic.Pointer[any]
}

// maxWorkers bounds the goroutines of the pool.
const maxWorkers = 1024

// patience is how long a helper looks for a next call, and a caller for the last
// helper to be done, before they sleep: some times what waking takes.
const patience = 50 * time.Microsecond

var pool = workers{wake: make(chan struct{}, maxWorkers), idle: make(chan struct{}, 1)}

// share serves one call with up to helpers workers beside the caller.
func (w *workers) share(n int, f func(i int), helpers int) {
	helpers = min(helpers, maxWorkers)
	for ; w.started < helpers; w.started++ {
		go w.help()
	}
	w.f, w.n = f, int64(n)
	w.next.Store(0)
	w.places.Store(int64(helpers))
	// A helper counts itself asleep and then looks for a place once more, so one
	// of both sees the other.
	for i := 0; i < helpers && w.rouse(); i++ {
		w.wake <- struct{}{}
	}
	defer w.finish() // deferred for an f that ends its goroutine
	w.work()
}

// help takes places until the program ends, on a thread of its own: the system places
// a thread by what it did before, and its core's caches are warm.
func (w *workers) help() {
	runtime.LockOSThread()
	for {
		if w.lookFor(w.serve) {
			continue
		}
		w.asleep.Add(1)
		if !w.serve() || !w.rouse() {
			<-w.wake
		}
	}
}

// rouse takes one helper out of those asleep: false if there is none. Who took it
// out for another sends to wake.
func (w *workers) rouse() bool {
	for n := w.asleep.Load(); n > 0; n = w.asleep.Load() {
		if w.asleep.CompareAndSwap(n, n-1) {
			return true
		}
	}
	return false
}

// lookFor calls found until it is true, for as long as there is patience.
func (w *workers) lookFor(found func() bool) bool {
	for began := time.Now(); ; {
		if found() {
			return true
		}
		if time.Since(began) > patience {
			return false
		}
	}
}

// serve takes a place, if one is free, and works in it.
func (w *workers) serve() bool {
	if w.places.Load() <= 0 {
		return false
	}
	w.working.Add(1) // before the place is taken, so that finish sees it
	defer w.done()
	if w.places.Add(-1) < 0 {
		return false
	}
	w.work()
	return true
}

// done lets the caller know of the last helper to be done.
func (w *workers) done() {
	if w.working.Add(-1) == 0 && w.waiting.Load() {
		select {
		case w.idle <- struct{}{}:
		default:
		}
	}
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

// resting tells whether no helper is at work.
func (w *workers) resting() bool { return w.working.Load() == 0 }

// finish closes the places that are left, waits for the helpers, frees the pool
// and raises what an f raised.
func (w *workers) finish() {
	w.next.Store(w.n)
	w.places.Store(0)
	if !w.lookFor(w.resting) {
		w.waiting.Store(true)
		for !w.resting() {
			<-w.idle
		}
		w.waiting.Store(false)
	}
	failed := w.failed.Swap(nil)
	w.f = nil
	w.mu.Unlock()
	if failed != nil {
		panic(*failed)
	}
}
