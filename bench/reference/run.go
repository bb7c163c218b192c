package reference

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/kernels"
)

// Options choose what is compared.
type Options struct {
	Python  string         // interpreter of the other side; "": that of the environment, or python3
	Threads int            // of each side
	Only    *regexp.Regexp // on "group/name"; nil: all
}

// A run is a comparison under way.
type run struct {
	Options
	peer *peers.Models
	dir  string // of models and adapters, which both sides write
	show func(*compare.Row)
}

// A group is work of one sort.
type group struct {
	compare.Group
	checkpoint bool // needs the real one
	run        func(r *run, g group) error
}

var groups = []group{
	{compare.Group{Name: "checkpoint", Title: "MiniLM on 200 sentences of Newton's Opticks",
		Target: "equal tokens, embeddings of length 1 that differ by ≤ 1e-4"}, true, checkpoint},
	{compare.Group{Name: "training", Title: "A classifier on MiniLM, trained by LoRA in both",
		Target: "losses of 50 steps that differ by ≤ 1e-3"}, true, training},
	{compare.Group{Name: "to-peft", Title: "Adapters that lowrank writes, in PEFT",
		Target: "no tensor missing or unexpected, logits within 1e-5 + 1e-4·|wanted|"}, false, toPEFT},
	{compare.Group{Name: "from-peft", Title: "Adapters that PEFT writes, in lowrank",
		Target: "logits within 1e-5 + 1e-4·|wanted|"}, false, fromPEFT},
}

// Groups are what Run compares, in order.
func Groups() []compare.Group {
	var all []compare.Group
	for _, g := range groups {
		all = append(all, g.Group)
	}
	return all
}

// Run compares and returns everything; show, if not nil, is given every row as
// it is ready, its group's first row after a call of begin. What this machine
// lacks is in the report's peers.
func Run(o Options, begin func(*compare.Report, compare.Group), show func(*compare.Row)) (*compare.Report, error) {
	rep := &compare.Report{CPU: kernels.CPU(), Go: runtime.Version()}
	peer, err := peers.StartModels(o.Python, o.Threads)
	if missing := new(peers.Missing); errors.As(err, &missing) {
		rep.Peers = append(rep.Peers, compare.Peer{Name: missing.Name, Missing: err.Error()})
		return rep, nil
	}
	if err != nil {
		return nil, err
	}
	defer peer.Close()
	rep.Peers = append(rep.Peers, compare.Peer{Name: "PyTorch", Version: peer.Version})
	if err := peer.CheckpointMissing; err != nil {
		rep.Peers = append(rep.Peers, compare.Peer{Name: "MiniLM", Missing: err.Error()})
	}
	r := &run{Options: o, peer: peer}
	if r.dir, err = os.MkdirTemp("", "lowrank-models-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(r.dir)
	kernels.SetThreads(o.Threads)
	defer kernels.SetThreads(0)
	for _, g := range groups {
		if g.checkpoint && peer.Checkpoint == "" {
			continue
		}
		began := false
		r.show = func(row *compare.Row) {
			if !began && begin != nil {
				begin(rep, g.Group)
			}
			began = true
			row.Group, row.Level, row.Threads = g.Name, kernels.Active().String(), o.Threads
			rep.Rows = append(rep.Rows, row)
			if show != nil {
				show(row)
			}
		}
		if err := g.run(r, g); err != nil {
			return nil, fmt.Errorf("%s: %w", g.Name, err)
		}
	}
	return rep, nil
}

// wanted reports whether a row was asked for.
func (r *run) wanted(g group, name string) bool {
	return r.Only == nil || r.Only.MatchString(g.Name+"/"+name)
}

// folder is a place for files by that name, which may have slashes.
func (r *run) folder(name string) string { return filepath.Join(r.dir, filepath.FromSlash(name)) }

// judged shows a row with the verdict that its checks come to.
func (r *run) judged(row *compare.Row) {
	row.Judge()
	r.show(row)
}
