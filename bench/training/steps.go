package training

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/bench/step"
)

// steps compares all shapes and methods.
func (r *run) steps() error {
	for _, s := range r.Shapes {
		r.begin(group(s))
		for _, method := range r.methods(s) {
			if _, ok := equal[method]; !ok {
				r.add(&compare.Row{Name: method, Threads: r.Threads[0], Note: "skipped: PEFT has none that does the same"})
				continue
			}
			if err := r.method(s, method); err != nil {
				return fmt.Errorf("%s, %s: %w", s.Name, method, err)
			}
		}
	}
	return nil
}

// method compares one training. An error of the other side is the row's.
func (r *run) method(s step.Shape, method string) error {
	dir := filepath.Join(r.dir, s.Name+"-"+method)
	defer os.RemoveAll(dir)
	files, err := step.WriteMethod(dir, r.base(s), s, method, seed)
	if err != nil {
		return err
	}
	t := &training{run: r, shape: s, method: method}
	defer t.close()
	if err := t.startOurs(); err != nil {
		return err
	}
	if !r.missing {
		if err := t.startTheirs(files); err != nil {
			r.add(&compare.Row{Name: method, Threads: r.Threads[0], Verdict: compare.FallsShort, Note: err.Error()})
			return nil
		}
		if note := t.differs(); note != "" {
			r.add(&compare.Row{Name: method, Threads: r.Threads[0], Verdict: compare.Differs, Note: note})
			return nil
		}
	}
	t.keepStart()
	for _, threads := range r.Threads {
		row, err := t.measure(threads)
		if err != nil {
			return err
		}
		r.add(row)
	}
	return nil
}

// A training is one shape and method on every side, ours first.
type training struct {
	*run
	shape  step.Shape
	method string
	sides  []*side
	flops  float64 // of a step

	meanwhile []float64 // measurements of the peak between the turns of a row
}

func (t *training) close() {
	for _, s := range t.sides {
		s.server.Close()
	}
}

func (t *training) startOurs() error {
	began := time.Now()
	server, err := t.serve()
	if err != nil {
		return err
	}
	ours := &side{name: oursName, began: began, server: server}
	t.sides = append(t.sides, ours)
	return ours.prepare(map[string]any{
		"folder": t.base(t.shape), "shape": t.shape.Name, "method": t.method, "seed": seed, "threads": slices.Max(t.Threads),
	}, &t.flops)
}

func (t *training) startTheirs(files step.Files) error {
	model, err := t.shape.Model(seed)
	if err != nil {
		return err
	}
	ids, labels := t.shape.Data(seed, model.Task())
	question := map[string]any{
		"base": files.Base, "adapter": files.Adapter, "trained": files.Trained, "frozen": files.Frozen,
		"ids": rows(ids, t.shape.Tokens), "labels": labels, "threads": slices.Max(t.Threads),
		"lr": step.Rate, "decay": step.Decay, "clip": step.Clip,
	}
	if len(labels) == len(ids) {
		question["labels"] = rows(labels, t.shape.Tokens)
	}
	names := []string{eagerName}
	if t.Compile {
		names = append(names, compiledName)
	}
	for _, name := range names {
		began := time.Now()
		peer, err := peers.StartSteps(t.Python)
		if err != nil {
			return err
		}
		s := &side{name: name, began: began, server: peer.Server}
		t.sides = append(t.sides, s)
		question["compile"] = name == compiledName
		if err := s.prepare(question, nil); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// rows cuts x into rows of so many.
func rows(x []int32, width int) [][]int32 {
	var all [][]int32
	for ; len(x) > 0; x = x[width:] {
		all = append(all, x[:width])
	}
	return all
}

// differs says in what a side is not ours, "" if in nothing.
func (t *training) differs() string {
	ours := t.sides[0]
	for _, s := range t.sides[1:] {
		if s.trained != ours.trained {
			return fmt.Sprintf("%s trains %d values, we %d", s.name, s.trained, ours.trained)
		}
		for i, loss := range ours.losses {
			if !(math.Abs(loss-s.losses[i]) <= sameLoss*math.Abs(s.losses[i])) {
				return fmt.Sprintf("losses %.6g, of %s %.6g", ours.losses, s.name, s.losses)
			}
		}
	}
	return ""
}
