package compare

import (
	"github.com/lowrank/lowrank/bench/machine"
	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/bench/work"
	"github.com/lowrank/lowrank/kernels"
)

// loopsBeyond are the loops beside the copy or triad of a working set of the
// same size.
func loopsBeyond(r *run) error {
	return r.loops("memory", machine.Beyond(), func(l work.Loop, w *work.Work, c cell) (side, float64, func(*Row)) {
		judge := func(row *Row) {
			// The other side moves other bytes: the rates are compared.
			row.Checks = []Check{ratio(ofStream, row.Rates[0].Rate, rateOf(row, row.Rates[len(row.Rates)-1].Side), 0.8)}
		}
		p := r.peers[peers.Stream.Name]
		if p == nil {
			rate := machine.Copy(int(w.Set), c.threads)
			return side{name: "copy", time: func(_, _ int) ([]float64, error) { return []float64{w.Set / rate}, nil }}, w.Set, judge
		}
		s, bytes := streamed(p, l.Stream, int(w.Set), c.threads)
		s.name = "copy"
		if l.Stream == peers.Triad {
			s.name = "triad"
		}
		return s, bytes, judge
	})
}

// loopsWithin are the loops beside their own plain Go, which is the level that
// runs everywhere.
func loopsWithin(r *run) error {
	return r.loops("cache", kernels.CPU().L2/2, func(l work.Loop, w *work.Work, c cell) (side, float64, func(*Row)) {
		return inProcess(plainName, kernels.Generic, c.threads, w.Run), w.Bytes, func(row *Row) {
			if c.level != kernels.Generic {
				row.Checks = []Check{ratio(xPlain, row.seconds[plainName], row.seconds[oursName], 4)}
			}
		}
	})
}

// loops measures every loop on a working set of set bytes beside another side,
// which moves so many bytes.
func (r *run) loops(group string, set int, beside func(l work.Loop, w *work.Work, c cell) (s side, bytes float64, judge func(*Row))) error {
	return r.each(func(level kernels.Level, threads int) error {
		for _, l := range work.Loops {
			c := cell{group, l.Name, level, threads}
			if !r.wanted(c) {
				continue
			}
			if err := kernels.SetLevel(level); err != nil {
				return err
			}
			w := l.Make(set)
			other, bytes, judge := beside(l, w, c)
			sides := []side{ours(w, level, threads), other}
			seconds, err := alternate(r.pace, sides)
			if err != nil {
				return err
			}
			row := rated(sides, seconds, map[string]float64{oursName: w.Bytes, other.name: bytes}, gbytes)
			judge(row)
			row.Verdict = verdict(row.Checks, false)
			r.add(c, row)
		}
		return nil
	})
}

// rateOf returns the rate of a side, zero if it was not there.
func rateOf(row *Row, name string) float64 {
	for _, rate := range row.Rates {
		if rate.Side == name {
			return rate.Rate
		}
	}
	return 0
}
