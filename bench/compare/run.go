package compare

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"runtime"
	"slices"

	"github.com/lowrank/lowrank/bench/machine"
	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/bench/work"
	"github.com/lowrank/lowrank/kernels"
)

// Options choose what is measured.
type Options struct {
	Quick   bool
	Levels  []kernels.Level
	Threads []int
	Only    *regexp.Regexp // on "group/name/simd=avx2/threads=1"; nil: all
}

// A run is a comparison under way.
type run struct {
	Options
	pace   pace
	peers  map[string]*peers.Peer // by name
	held   map[string]*peers.Peer // the same as on a machine with AVX2 at most
	report *Report
	curves map[int]machine.Curve // of bandwidth, by threads
	show   func(*Row)
}

// Run measures and returns everything; show, if not nil, is given every row as
// it is ready, its group's first row after a call of begin.
func Run(o Options, begin func(*Report, Group), show func(*Row)) (*Report, error) {
	r := &run{Options: o, pace: full, peers: map[string]*peers.Peer{}, held: map[string]*peers.Peer{}, curves: map[int]machine.Curve{}, show: show}
	if o.Quick {
		r.pace = quick
	}
	level := kernels.Active()
	runtime.LockOSThread() // its core is kept, as in the peers' programs
	defer func() {
		runtime.UnlockOSThread()
		kernels.SetLevel(level)
		kernels.SetThreads(0)
		machine.ConfineThread(0)
		for _, started := range []map[string]*peers.Peer{r.peers, r.held} {
			for _, p := range started {
				p.Close()
			}
		}
	}()
	r.report = &Report{CPU: kernels.CPU(), Go: runtime.Version()}
	for _, p := range peers.Programs() {
		peer, err := peers.Start(p)
		var missing *peers.Missing
		switch {
		case errors.As(err, &missing):
			r.report.Peers = append(r.report.Peers, Peer{Name: p.Name, Missing: err.Error()})
		case err != nil:
			return nil, err
		default:
			r.peers[p.Name] = peer
			version := peer.Version
			if h, ok := p.Held("AVX2"); ok && slices.Contains(r.Levels, kernels.AVX2) {
				if peer, err = peers.Start(h); err != nil {
					return nil, err
				}
				r.held[p.Name] = peer
				version += "; in the rows of avx2 as on a machine without AVX-512: " + peer.Version
			}
			r.report.Peers = append(r.report.Peers, Peer{Name: p.Name, Version: version})
		}
	}
	if err := r.measureMachine(); err != nil {
		return nil, err
	}
	for _, g := range groups {
		before := len(r.report.Rows)
		began := false
		r.show = func(row *Row) {
			if !began && begin != nil {
				begin(r.report, g)
			}
			began = true
			if show != nil {
				show(row)
			}
		}
		if err := g.measure(r); err != nil {
			return nil, fmt.Errorf("%s: %w", g.Name, err)
		}
		if g.summary != nil {
			r.summaries(g, r.report.Rows[before:])
		}
	}
	return r.report, nil
}

// A cell is one piece of work at one level, on so many threads.
type cell struct {
	group, name string
	level       kernels.Level
	threads     int
}

func (r *run) wanted(c cell) bool {
	return r.Only == nil || r.Only.MatchString(fmt.Sprintf("%s/%s/simd=%v/threads=%d", c.group, c.name, c.level, c.threads))
}

// each calls body for every level and number of threads.
func (r *run) each(body func(level kernels.Level, threads int) error) error {
	for _, l := range r.Levels {
		for _, n := range r.Threads {
			if err := body(l, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// beside measures a piece of work beside the programs that are here and the
// extra sides. judge adds the checks.
func (r *run) beside(c cell, build func() *work.Work, programs []peers.Program, extra func(w *work.Work) []side, judge func(row *Row, w *work.Work)) error {
	if !r.wanted(c) {
		return nil
	}
	if err := kernels.SetLevel(c.level); err != nil {
		return err
	}
	kernels.SetThreads(c.threads)
	w := build()
	w.Job.Threads = c.threads
	sides, note, err := []side{ours(w, c.level, c.threads)}, "", error(nil)
	for _, program := range programs {
		p := r.peers[program.Name]
		if held := r.held[program.Name]; held != nil && c.level == kernels.AVX2 {
			p = held
		}
		if p == nil {
			continue
		}
		if note == "" {
			if note, err = differs(w, p); err != nil {
				return err
			}
		}
		sides = append(sides, ofPeer(p, w.Job))
	}
	if extra != nil {
		sides = append(sides, extra(w)...)
	}
	seconds, err := alternate(r.pace, sides)
	if err != nil {
		return err
	}
	amount := map[string]float64{}
	for _, s := range sides {
		amount[s.name] = w.Flops
		if s.flops > 0 {
			amount[s.name] = s.flops
		}
	}
	row := rated(sides, seconds, amount, gflops)
	row.Intensity = w.Flops / w.Bytes
	judge(row, w)
	row.Verdict = verdict(row.Checks, row.Either)
	if row.Note = note; note != "" {
		row.Verdict = Differs
	} else if row.Verdict == FallsShort {
		row.Note = beyond(row, r.peak(c.level, c.threads))
	}
	r.add(c, row)
	return nil
}

// add names a row and shows it.
func (r *run) add(c cell, row *Row) {
	row.Group, row.Name, row.Level, row.Threads = c.group, c.name, c.level.String(), c.threads
	r.report.Rows = append(r.report.Rows, row)
	r.show(row)
}

// differs compares our result with a peer's, and says how they differ if they
// do. Both are sums of the same products in another order, so their difference
// is a few roundings of the largest partial sums: 1e-4 of the result's root mean
// square is ten times what products of this size differ by, and far below what
// one wrong element does.
func differs(w *work.Work, p *peers.Peer) (string, error) {
	theirs, err := p.Result(w.Job)
	if err != nil {
		return "", err
	}
	mine := w.Result()
	if len(mine) != len(theirs) {
		return fmt.Sprintf("%d results, %s has %d", len(mine), p.Name, len(theirs)), nil
	}
	at := 0
	for _, x := range w.Outputs {
		square := 0.0
		for i := range x {
			square += float64(mine[at+i]) * float64(mine[at+i])
		}
		bound := 1e-4 * math.Sqrt(square/float64(max(len(x), 1)))
		for i := range x {
			if d := math.Abs(float64(mine[at+i]) - float64(theirs[at+i])); !(d <= bound) {
				return fmt.Sprintf("result %d is %g, %s has %g", at+i, mine[at+i], p.Name, theirs[at+i]), nil
			}
		}
		at += len(x)
	}
	return "", nil
}

// summaries adds a row for every level and number of threads that a group's
// rows have.
func (r *run) summaries(g Group, rows []*Row) {
	for _, l := range r.Levels {
		for _, n := range r.Threads {
			var these []*Row
			for _, row := range rows {
				if row.Level == l.String() && row.Threads == n {
					these = append(these, row)
				}
			}
			if len(these) == 0 {
				continue
			}
			for name, row := range g.summary(these) {
				row.Verdict = verdict(row.Checks, false)
				r.add(cell{g.Name, name, l, n}, row)
			}
		}
	}
}
