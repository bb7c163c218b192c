package kernels

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A workers is a pool of goroutines that serve one call of Parallel at a time.
type workers struct {
	mu      sync.Mutex // held by the call that is served
	helpers []*helper
	idle    chan struct{}
	waiting atomic.Bool // the caller waits in idle for working to fall to zero

	call    atomic.Int64 // its number
	open    atomic.Int64 // how many helpers, the first of them, may join it
	working atomic.Int64 // helpers that have, or look whether they may

	f      func(i int)
	parts  []part // of the indices, one a thread, the caller's first
	failed atomic.Pointer[any]
}

// A part is the indices next, …, end-1, on a line of the cache of its own.
type part struct {
	next atomic.Int64
	end  int64
	_    [6]int64
}

// A helper is a goroutine of the pool. It joins a call within a fraction of a
// microsecond while it looks for one, as between the kernels of a training step, and
// is woken through a channel after that.
type helper struct {
	*workers
	number int // from 1
	served int64
	asleep atomic.Bool // it waits for wake, or is about to; who resets it sends there
	wake   chan struct{}
}

// maxHelpers bounds the goroutines of the pool.
const maxHelpers = 1024

// Before they sleep, a caller looks so long for the last helper to be done, and a
// helper for a next call: some times what waking takes, and longer than what lies
// between the kernels of a training step.
const (
	callerPatience = 50 * time.Microsecond
	helperPatience = 200 * time.Microsecond
)

var pool = workers{idle: make(chan struct{}, 1)}

// share serves one call with up to so many helpers beside the caller.
func (w *workers) share(n int, f func(i int), helpers int) {
	helpers = min(helpers, maxHelpers)
	for len(w.helpers) < helpers {
		h := &helper{workers: w, number: len(w.helpers) + 1, wake: make(chan struct{}, 1)}
		w.helpers = append(w.helpers, h)
		go h.help()
	}
	if cap(w.parts) <= helpers {
		w.parts = make([]part, helpers+1)
	}
	w.parts = w.parts[:helpers+1] // fewer jobs than threads take fewer parts
	for i := range w.parts {
		w.parts[i].next.Store(int64(n * i / len(w.parts)))
		w.parts[i].end = int64(n * (i + 1) / len(w.parts))
	}
	w.f = f
	w.call.Add(1)
	w.open.Store(int64(helpers))
	// A helper says that it sleeps and then looks for a call once more, so one of both
	// sees the other.
	for _, h := range w.helpers[:helpers] {
		if h.asleep.CompareAndSwap(true, false) {
			h.wake <- struct{}{}
		}
	}
	defer w.finish() // deferred for an f that ends its goroutine
	w.work(0)
}

// work calls f for the indices that are left, those of one part first.
func (w *workers) work(first int) {
	defer func() {
		if v := recover(); v != nil {
			failure := v // a variable of its own, as it moves to the heap
			w.failed.CompareAndSwap(nil, &failure)
			w.drop()
		}
	}()
	for i := range w.parts {
		p := &w.parts[(first+i)%len(w.parts)]
		for p.next.Load() < p.end {
			if i := p.next.Add(1) - 1; i < p.end {
				w.f(int(i))
			}
		}
	}
}

// drop leaves no index to anyone.
func (w *workers) drop() {
	for i := range w.parts {
		w.parts[i].next.Store(w.parts[i].end)
	}
}

// finish closes the call, waits for the helpers, frees the pool and raises what an f
// raised.
func (w *workers) finish() {
	w.drop()
	w.open.Store(0)
	if !lookFor(w.resting, callerPatience) {
		w.waiting.Swap(true) // see help
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

// resting tells whether no helper is at work.
func (w *workers) resting() bool { return w.working.Load() == 0 }

// lookFor calls found until it is true, for as long as there is patience.
func lookFor(found func() bool, patience time.Duration) bool {
	for began := time.Now(); ; {
		if found() {
			return true
		}
		if time.Since(began) > patience {
			return false
		}
	}
}

// help joins calls until the program ends, on a thread of its own: the system places
// a thread by what it did before, and its core's caches are warm.
//
// What must be seen by others before the next look at what they do is exchanged, not
// stored: an emulator of arm64 on amd64 may let the look pass a store.
func (h *helper) help() {
	runtime.LockOSThread()
	for {
		if lookFor(h.serve, helperPatience) {
			continue
		}
		h.asleep.Swap(true)
		if !h.serve() || !h.asleep.CompareAndSwap(true, false) {
			<-h.wake
		}
	}
}

// serve joins a call that it has not served, if one is open to it.
func (h *helper) serve() bool {
	if h.call.Load() == h.served || h.open.Load() < int64(h.number) {
		return false
	}
	h.working.Add(1) // before the last look, so that finish sees it
	defer h.done()
	if h.open.Load() < int64(h.number) {
		return false
	}
	h.served = h.call.Load()
	h.work(h.number)
	return true
}

// done lets the caller know of the last helper to be done.
func (h *helper) done() {
	if h.working.Add(-1) == 0 && h.waiting.Load() {
		select {
		case h.idle <- struct{}{}:
		default:
		}
	}
}
