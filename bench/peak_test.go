package bench

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/lowrank/lowrank/kernels"
)

// peak returns the FMA peak of one core at the active level in FLOP/s: the
// best of several loops on registers, measured once a level.
var peak = func() func() float64 {
	var mu sync.Mutex
	known := map[kernels.Level]float64{}
	return func() float64 {
		mu.Lock()
		defer mu.Unlock()
		l := kernels.Active()
		if known[l] == 0 {
			for range 10 {
				began := time.Now()
				flops := kernels.FMAPeak(2_000_000)
				known[l] = max(known[l], flops/time.Since(began).Seconds())
			}
		}
		return known[l]
	}
}()

// atLevels runs a benchmark once for every level of the machine and for one
// thread and all.
func atLevels(b *testing.B, body func(b *testing.B)) {
	before := kernels.Active()
	defer kernels.SetLevel(before)
	for _, l := range kernels.Levels() {
		if err := kernels.SetLevel(l); err != nil {
			b.Fatal(err)
		}
		for _, threads := range []int{1, runtime.NumCPU()} {
			b.Run("simd="+l.String()+"/threads="+itoa(threads), func(b *testing.B) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
				body(b)
			})
			if threads == runtime.NumCPU() {
				break
			}
		}
	}
}

// flops reports the rate of so many operations an iteration.
func flops(b *testing.B, n float64) {
	rate := n * float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate/1e9, "GFLOP/s")
	b.ReportMetric(100*rate/(peak()*float64(runtime.GOMAXPROCS(0))), "%peak")
}
