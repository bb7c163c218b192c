package bench

import (
	"runtime"
	"testing"

	"github.com/lowrank/lowrank/bench/machine"
	"github.com/lowrank/lowrank/bench/work"
	"github.com/lowrank/lowrank/kernels"
)

// peaks and copies are what was measured already.
var (
	peaks  = map[kernels.Level]float64{}
	copies = map[[2]int]float64{}
)

// peak returns the FMA peak of one core at the active level in FLOP/s.
func peak() float64 {
	l := kernels.Active()
	if peaks[l] == 0 {
		for range 50 {
			peaks[l] = max(peaks[l], machine.FMA(1))
		}
	}
	return peaks[l]
}

// copyRate returns the bandwidth of copy on a working set in bytes per second.
func copyRate(set, threads int) float64 {
	at := [2]int{set, threads}
	if copies[at] == 0 {
		copies[at] = machine.Copy(set, threads)
	}
	return copies[at]
}

// atLevels runs a benchmark once for every level of the machine and for one
// thread and all.
func atLevels(b *testing.B, body func(b *testing.B)) {
	before := kernels.Active()
	defer kernels.SetLevel(before)
	for _, l := range kernels.Levels() {
		if err := kernels.SetLevel(l); err != nil {
			b.Fatal(err)
		}
		for _, threads := range threadCounts() {
			b.Run("simd="+l.String()+"/threads="+itoa(threads), func(b *testing.B) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
				body(b)
			})
		}
	}
}

// flops times work, and reports its rate and the part of the peak that it is.
func flops(b *testing.B, w *work.Work) {
	for b.Loop() {
		w.Run()
	}
	rate := w.Flops * float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate/1e9, "GFLOP/s")
	b.ReportMetric(100*rate/(peak()*float64(runtime.GOMAXPROCS(0))), "%peak")
}

// bytes times work, and reports its bandwidth and the part of copy's that it is.
func bytes(b *testing.B, w *work.Work) {
	for b.Loop() {
		w.Run()
	}
	rate := w.Bytes * float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate/1e9, "GB/s")
	b.ReportMetric(100*rate/copyRate(int(w.Set), runtime.GOMAXPROCS(0)), "%copy")
}

// threadCounts are one and, where there are more, all.
func threadCounts() []int {
	if n := runtime.NumCPU(); n > 1 {
		return []int{1, n}
	}
	return []int{1}
}
