package training

import (
	"slices"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/bench/machine"
	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/kernels"
)

// peaks measures the peak of the cores before anything else is.
func (r *run) peaks() error {
	s, err := r.serve()
	if err != nil {
		return err
	}
	defer s.Close()
	for _, threads := range r.Threads {
		if _, err := r.samplePeak(s, threads, 50); err != nil {
			return err
		}
	}
	return nil
}

// serve starts our side.
func (r *run) serve() (*peers.Server, error) { return peers.StartServer(nil, r.program, Word) }

// samplePeak measures the peak some times more; the best of the whole run is
// the peak.
func (r *run) samplePeak(s *peers.Server, threads, times int) (rates []float64, err error) {
	machine.Confine(s.Pid(), threads)
	var a peaks
	if err := s.Ask("peak", map[string]any{"threads": threads, "steps": times}, &a); err != nil {
		return nil, err
	}
	for _, rate := range a.Rates {
		r.peak(threads).Add(rate / 1e9)
	}
	return a.Rates, nil
}

func (r *run) peak(threads int) *compare.Peak {
	all := &r.report.Machine.Peaks
	at := slices.IndexFunc(*all, func(p *compare.Peak) bool { return p.Threads == threads })
	if at < 0 {
		at = len(*all)
		*all = append(*all, &compare.Peak{Level: kernels.Active().String(), Threads: threads})
	}
	return (*all)[at]
}
