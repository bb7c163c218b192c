package compare

import (
	"slices"

	"github.com/lowrank/lowrank/bench/machine"
	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/kernels"
)

// measureMachine fills the report's machine and the curves of bandwidth.
func (r *run) measureMachine() error {
	for _, l := range r.Levels {
		if err := kernels.SetLevel(l); err != nil {
			return err
		}
		for _, n := range r.Threads {
			kernels.SetThreads(n)
			warm(n, func() { machine.FMA(n) })
			for range 50 {
				r.peak(l, n)
			}
		}
	}
	for _, n := range r.Threads {
		for _, b := range sizes() {
			b.Threads = n
			var err error
			if b.Copy, b.Triad, err = r.bandwidth(b.Bytes, n); err != nil {
				return err
			}
			r.report.Machine.Bandwidths = append(r.report.Machine.Bandwidths, b)
		}
		r.curves[n] = r.report.curve(n)
	}
	return nil
}

// peak returns the rate of multiply-adds in FLOP/s. It measures every time that
// it is asked, and what it returns is the best so far.
func (r *run) peak(l kernels.Level, threads int) float64 {
	peaks := &r.report.Machine.Peaks
	at := slices.IndexFunc(*peaks, func(p *Peak) bool { return p.Level == l.String() && p.Threads == threads })
	if at < 0 {
		at = len(*peaks)
		*peaks = append(*peaks, &Peak{Level: l.String(), Threads: threads})
	}
	kernels.SetThreads(threads)
	machine.ConfineThread(threads)
	(*peaks)[at].Add(machine.FMA(threads) / 1e9)
	return (*peaks)[at].GFLOPS * 1e9
}

// sizes are the working sets: those of the places, each cache full, and twice
// the last.
func sizes() []Bandwidth {
	var all []Bandwidth
	for _, p := range machine.Places() {
		all = append(all, Bandwidth{Place: p.Name, Bytes: p.Bytes})
	}
	cpu := kernels.CPU()
	for _, bytes := range []int{cpu.L1D, cpu.L2, cpu.L3, 2 * cpu.L3} {
		all = append(all, Bandwidth{Bytes: bytes})
	}
	slices.SortStableFunc(all, func(a, b Bandwidth) int { return a.Bytes - b.Bytes })
	return slices.CompactFunc(all, func(a, b Bandwidth) bool { return a.Bytes == b.Bytes })
}

// bandwidth returns the best rates of several runs, in GB/s.
func (r *run) bandwidth(set, threads int) (copied, triad float64, err error) {
	p := r.peers[peers.Stream.Name]
	if p == nil {
		return machine.Copy(set, threads) / 1e9, 0, nil
	}
	rate := func(kind peers.Kind) (float64, error) {
		s, bytes := streamed(p, kind, set, threads)
		took, err := s.time(1, 9)
		if err != nil {
			return 0, err
		}
		return bytes / slices.Min(took) / 1e9, nil
	}
	if copied, err = rate(peers.Copy); err == nil {
		triad, err = rate(peers.Triad)
	}
	return copied, triad, err
}

// curve is the better of copy and triad against the working set, in bytes per
// second.
func (rep *Report) curve(threads int) machine.Curve {
	var c machine.Curve
	for _, b := range rep.Machine.Bandwidths {
		if b.Threads == threads {
			c.Sizes, c.Rates = append(c.Sizes, float64(b.Bytes)), append(c.Rates, 1e9*max(b.Copy, b.Triad))
		}
	}
	return c
}
