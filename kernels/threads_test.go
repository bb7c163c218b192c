package kernels

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// atThreads runs body with a GOMAXPROCS.
func atThreads(n int, body func()) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	body()
}

func TestParallelOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 8} {
		atThreads(threads, func() {
			for _, n := range []int{0, 1, 2, 7, 100} {
				for range 50 {
					calls := make([]atomic.Int32, n)
					Parallel(n, func(i int) { calls[i].Add(1) })
					for i := range calls {
						if got := calls[i].Load(); got != 1 {
							t.Fatalf("%d threads: f(%d) of %d ran %d times", threads, i, n, got)
						}
					}
				}
			}
		})
	}
}

// Nested calls and calls at the same time neither hang nor lose an index.
func TestParallelNested(t *testing.T) {
	atThreads(4, func() {
		var count atomic.Int32
		var callers sync.WaitGroup
		for range 5 {
			callers.Go(func() {
				Parallel(6, func(int) {
					Parallel(7, func(int) { count.Add(1) })
				})
			})
		}
		callers.Wait()
		if got := count.Load(); got != 5*6*7 {
			t.Errorf("%d calls, want %d", got, 5*6*7)
		}
	})
}

// At most GOMAXPROCS calls of one Parallel run at a time, and for want of
// waiting indices the others do run beside the caller.
func TestParallelShares(t *testing.T) {
	atThreads(3, func() {
		var running, most atomic.Int32
		var meet sync.WaitGroup
		meet.Add(3)
		Parallel(3, func(int) {
			now := running.Add(1)
			meet.Done()
			meet.Wait() // until all three are here
			for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
			}
			running.Add(-1)
		})
		if most.Load() != 3 {
			t.Errorf("%d calls ran at once, want 3", most.Load())
		}
	})
}

func TestParallelPanic(t *testing.T) {
	for _, threads := range []int{1, 4} {
		atThreads(threads, func() {
			for bad := range 8 {
				got := panics(func() {
					Parallel(8, func(i int) {
						if i == bad {
							panic("index is bad")
						}
					})
				})
				if got != "index is bad" {
					t.Fatalf("%d threads: panic %q from f(%d)", threads, got, bad)
				}
			}
			var count atomic.Int32
			Parallel(20, func(int) { count.Add(1) })
			if count.Load() != 20 {
				t.Errorf("%d threads: after a panic %d calls of 20", threads, count.Load())
			}
		})
	}
}

func TestParallelAllocations(t *testing.T) {
	atThreads(4, func() {
		f := func(int) {}
		Parallel(8, f)
		before := runtime.NumGoroutine()
		// testing.AllocsPerRun would leave one thread. The runtime allocates too, now
		// and then, for a goroutine that waits.
		var start, end runtime.MemStats
		runtime.ReadMemStats(&start)
		const rounds = 1000
		for range rounds {
			Parallel(8, f) // more jobs than threads, and fewer
			Parallel(2, f)
			Parallel(3, f)
		}
		runtime.ReadMemStats(&end)
		if got := end.Mallocs - start.Mallocs; got > rounds/2 {
			t.Errorf("%d allocations in %d calls", got, 3*rounds)
		}
		if after := runtime.NumGoroutine(); after > before {
			t.Errorf("%d goroutines became %d", before, after)
		}
	})
}

// TestSetThreads: a bound of one runs everything on the calling goroutine.
func TestSetThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	defer SetThreads(0)
	if SetThreads(2); Threads() != 2 {
		t.Errorf("Threads() = %d after SetThreads(2) of 4", Threads())
	}
	if SetThreads(9); Threads() != 4 {
		t.Errorf("Threads() = %d after SetThreads(9) of 4", Threads())
	}
	SetThreads(1)
	sum := 0 // not atomic: the race detector and the sum see a second goroutine
	Parallel(1000, func(i int) { sum += i })
	if sum != 499500 {
		t.Errorf("sum is %d, want 499500", sum)
	}
}
