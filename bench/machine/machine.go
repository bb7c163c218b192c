// Package machine measures what the machine can do at most: the multiply-adds
// of its cores, and the bandwidth of its caches and memory. It also gives those
// that are measured their cores, and says how much memory a process took.
package machine

import (
	"sync"
	"time"

	"github.com/lowrank/lowrank/kernels"
)

// iterations of the loop that measures the peak: some milliseconds.
const iterations = 200_000

// FMA returns the floating-point operations per second of a loop of
// multiply-adds on registers, at the active level, on so many goroutines of the
// kernels' pool at once: as many as kernels.SetThreads allows.
func FMA(threads int) float64 {
	flops := make([]float64, threads)
	began := time.Now()
	kernels.Parallel(threads, func(i int) { flops[i] = kernels.FMAPeak(iterations) })
	took := time.Since(began).Seconds()
	total := 0.0
	for _, f := range flops {
		total += f
	}
	return total / took
}

// Copy returns the bytes per second, read and written, of the runtime's copy
// between two arrays of set bytes together, on so many goroutines at once: the
// best of several runs.
func Copy(set, threads int) float64 {
	n := set / 8
	from, to := make([]float32, n), make([]float32, n)
	for i := range from {
		from[i], to[i] = 1, 1 // pages of its own
	}
	calls := max(1, 1<<22/max(n, 1)) // long enough for the clock and for starting goroutines
	best := 0.0
	for range 7 {
		began := time.Now()
		var rest sync.WaitGroup
		for i := range threads {
			part := func() {
				for range calls {
					copy(to[n*i/threads:n*(i+1)/threads], from[n*i/threads:n*(i+1)/threads])
				}
			}
			if i == threads-1 {
				part()
			} else {
				rest.Go(part)
			}
		}
		rest.Wait()
		best = max(best, 8*float64(n)*float64(calls)/time.Since(began).Seconds())
	}
	return best
}

// Read returns the bytes per second of reading an array of set bytes, by the sum
// of its squares, on so many goroutines at once: the best of several runs.
func Read(set, threads int) float64 {
	n := set / 4
	x := make([]float32, n)
	for i := range x {
		x[i] = 1 // pages of its own
	}
	best := 0.0
	for range 7 {
		began := time.Now()
		var rest sync.WaitGroup
		for i := range threads {
			rest.Go(func() { kernels.SumSquares(x[n*i/threads : n*(i+1)/threads]) })
		}
		rest.Wait()
		best = max(best, 4*float64(n)/time.Since(began).Seconds())
	}
	return best
}
