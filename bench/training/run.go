package training

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/bench/step"
	"github.com/lowrank/lowrank/kernels"
)

// Options choose what is compared.
type Options struct {
	Python  string       // interpreter of the other side; "": that of the environment, or python3
	Threads []int        // of each side, in turn
	Shapes  []step.Shape // nil: all
	Methods []string     // nil: those of [Methods]
	Compile bool         // torch.compile beside eager; its first step takes minutes
	Rounds  int          // in which every side has a turn; 0: 5
	Steps   int          // of a turn at least; 0: 5
}

// Of every comparison.
const (
	seed    = 1
	checked = 3 // steps whose losses must be the same
)

// Run compares and returns everything; show, if not nil, is given every row as
// it is ready, its group's first row after a call of begin. Without the other
// side, our own figures are all there is. The program must call [Serve] on
// [Word].
func Run(o Options, begin func(*compare.Report, compare.Group), show func(*compare.Row)) (*compare.Report, error) {
	if o.Rounds == 0 {
		o.Rounds = 5
	}
	if o.Steps == 0 {
		o.Steps = 5
	}
	if o.Shapes == nil {
		o.Shapes = step.Shapes
	}
	r := &run{Options: o, report: &compare.Report{CPU: kernels.CPU(), Go: runtime.Version()}, began: begin, show: show}
	var err error
	if r.program, err = os.Executable(); err != nil {
		return nil, err
	}
	if err := r.findPeer(); err != nil {
		return nil, err
	}
	if r.dir, err = os.MkdirTemp("", "lowrank-steps-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(r.dir)
	for _, s := range r.Shapes {
		if err := step.WriteModel(r.base(s), s, seed); err != nil {
			return nil, err
		}
	}
	if err := r.peaks(); err != nil {
		return nil, err
	}
	for _, group := range []func() error{r.steps, r.starts, r.inference} {
		if err := group(); err != nil {
			return nil, err
		}
	}
	return r.report, nil
}

// A run is a comparison under way.
type run struct {
	Options
	program string // this one
	dir     string // of models and adapters
	report  *compare.Report
	missing bool // the other side
	group   string
	began   func(*compare.Report, compare.Group)
	show    func(*compare.Row)
	first   []*compare.Row // what starts tells
}

// base is the folder of a shape's model.
func (r *run) base(s step.Shape) string { return filepath.Join(r.dir, s.Name) }

// findPeer asks the other side who it is.
func (r *run) findPeer() error {
	peer, err := peers.StartSteps(r.Python)
	if missing := new(peers.Missing); errors.As(err, &missing) {
		r.missing = true
		r.report.Peers = append(r.report.Peers, compare.Peer{Name: missing.Name, Missing: err.Error()})
		return nil
	}
	if err != nil {
		return err
	}
	r.report.Peers = append(r.report.Peers, compare.Peer{Name: eagerName, Version: peer.Version})
	return peer.Close()
}

// begin makes the rows that come those of a group.
func (r *run) begin(g compare.Group) {
	r.group = g.Name
	if r.began != nil {
		r.began(r.report, g)
	}
}

// add shows a row and keeps it.
func (r *run) add(row *compare.Row) {
	row.Group, row.Level = r.group, kernels.Active().String()
	r.report.Rows = append(r.report.Rows, row)
	if r.show != nil {
		r.show(row)
	}
}

// methods are what is compared at a shape.
func (r *run) methods(s step.Shape) []string {
	if r.Methods != nil {
		return r.Methods
	}
	return Methods(s)
}

func group(s step.Shape) compare.Group {
	time := "time ≤ 0.67× PyTorch's, and ≤ 0.6× in dora, pissa, adalora and lora-fa"
	if s.Name == step.Study.Name {
		time = "time ≤ 0.4× PyTorch's"
	}
	return compare.Group{
		Name:  s.Name,
		Title: fmt.Sprintf("Training steps of a model of %d layers of %d features on %d×%d tokens, rank %d on all linear maps of the blocks", s.Layers, s.Hidden, s.Batch, s.Tokens, step.Rank),
		Target: fmt.Sprintf("%s; matrix products ≥ %g of the FMA peak on 1 thread and ≥ %g on 2; memory ≤ %g× PyTorch's and ≤ %g× its formula; no allocation of ours, ≤ %d in all, no pause for the collection of garbage above %g ms",
			time, peakShare(1), peakShare(2), memoryOfTorch, memoryOfSum, allAllocated, longestPause),
	}
}
