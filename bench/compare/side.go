package compare

import (
	"runtime"
	"time"

	"github.com/lowrank/lowrank/bench/machine"
	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/bench/work"
	"github.com/lowrank/lowrank/kernels"
)

// A side is one way to do a piece of work. time warms up, and returns the seconds of a
// run in each of so many repeats of so many calls.
type side struct {
	name  string
	time  func(calls, repeats int) ([]float64, error)
	flops float64 // of a run, where they are others than ours
}

// The names of the sides that are not peers.
const (
	oursName  = "ours"
	baseName  = "base"     // our own product without the low-rank term
	plainName = "plain Go" // our kernels' portable level
)

// inProcess times a function of this program at a level, on so many threads.
func inProcess(name string, level kernels.Level, threads int, run func()) side {
	return side{name: name, time: func(calls, repeats int) ([]float64, error) {
		if err := kernels.SetLevel(level); err != nil {
			return nil, err
		}
		kernels.SetThreads(threads)
		machine.ConfineThread(threads)
		warm(threads, run)
		took := make([]float64, repeats)
		for i := range took {
			began := time.Now()
			for range calls {
				run()
			}
			took[i] = time.Since(began).Seconds() / float64(calls)
		}
		return took, nil
	}}
}

// onOneProcessor is for Go code that would take more threads by itself.
func onOneProcessor(s side) side {
	inner := s.time
	s.time = func(calls, repeats int) ([]float64, error) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		return inner(calls, repeats)
	}
	return s
}

// ofPeer times a peer's process.
func ofPeer(p *peers.Peer, j peers.Job) side {
	return side{name: p.Name, time: func(calls, repeats int) ([]float64, error) {
		machine.Confine(p.Pid(), j.Threads)
		return p.Time(j, calls, repeats)
	}}
}

// streamed times copy or triad on arrays of set bytes together, and returns the
// bytes of a run.
func streamed(p *peers.Peer, kind peers.Kind, set, threads int) (s side, bytes float64) {
	arrays := 2
	if kind == peers.Triad {
		arrays = 3
	}
	n, passes := set/4/arrays, max(1, 64<<20/set)
	return ofPeer(p, peers.Job{Kind: kind, M: n, K: passes, Threads: threads}), 4 * float64(n) * float64(arrays) * float64(passes)
}

// ours is a piece of work as we do it.
func ours(w *work.Work, level kernels.Level, threads int) side {
	return inProcess(oursName, level, threads, w.Run)
}
