package kernels

import (
	"runtime"
	"sync/atomic"
)

// Parallel calls f(0), …, f(n-1), each exactly once and in no fixed order, and
// returns when all are done. The calls run on the calling goroutine and on the
// idle workers of one pool that the whole package shares, [Threads] goroutines
// at most. While the pool is busy, and inside an f, Parallel runs everything on
// the calling goroutine. It starts no goroutine per call and allocates nothing.
// Each thread begins with the same part of the indices in call after call, so that
// data which calls share by index stay in its caches, and goes on with what others
// have left of theirs.
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
