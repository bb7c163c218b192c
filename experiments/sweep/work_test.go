package sweep

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lowrank/lowrank/experiments"
	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/nn/llama"
)

// tiny is a setting of a model that has learned nothing.
var tiny = sync.OnceValues(func() (*experiments.Setting, error) {
	dir, err := os.MkdirTemp("", "lowrank")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, bytes.Repeat([]byte("one two three four five "), 200), 0o666); err != nil {
		return nil, err
	}
	p := experiments.Pretraining{
		Model: llama.Config{
			HiddenSize: 32, IntermediateSize: 48, NumHiddenLayers: 1, NumAttentionHeads: 2, NumKeyValueHeads: 1, HeadDim: 16,
			RMSNormEps: 1e-5, RopeTheta: 10000, VocabSize: 256, MaxPositionEmbeddings: 16, TieWordEmbeddings: true,
		},
		Steps: 1, Batch: 1, Tokens: 8, LR: 1e-3, Seed: 1,
	}
	c := experiments.DefaultConfig()
	c.Data = experiments.Data{BaseText: text, AdaptText: text, MaxBytes: 1 << 20, HeldOut: 0.1}
	c.Train.Tokens = 8
	return experiments.OpenSetting(context.Background(), dir, c, p, nil)
})

func tinyGrid(t *testing.T) (*experiments.Setting, *Grid) {
	t.Helper()
	s, err := tiny()
	if err != nil {
		t.Fatal(err)
	}
	c := experiments.DefaultConfig()
	c.Rank, c.Alpha, c.Targets = 4, 4, experiments.Targets{Names: []string{"q_proj"}}
	c.Train.Steps, c.Train.Batch, c.Train.Tokens = 4, 1, 8
	c.Eval, c.Probe, c.Checkpoint.Every = experiments.Eval{Every: 0, Batches: 1}, experiments.Probe{}, 0
	return s, &Grid{Template: c, Methods: []string{"lora", "dora"}, LRs: []float64{1e-4, 1e-3, 1e-2}, Seeds: []uint64{1}, Extend: 1}
}

// watcher notes what it is told. That its methods are called one at a time is
// for the race detector to see.
type watcher struct {
	planned       int
	steps         map[string]int
	ended, reused []string
	failed        map[string]error
	step          func() // called at every step
}

func newWatcher() *watcher {
	return &watcher{steps: map[string]int{}, failed: map[string]error{}, step: func() {}}
}

func (w *watcher) Plan(runs int) { w.planned += runs }
func (w *watcher) Step(id string, step, steps int, loss float64) {
	w.steps[id]++
	w.step()
}
func (w *watcher) End(rec *record.Run, reused bool, failure error) {
	w.ended = append(w.ended, rec.ID)
	if reused {
		w.reused = append(w.reused, rec.ID)
	}
	if failure != nil {
		w.failed[rec.ID] = failure
	}
}

func (w *watcher) trained() (steps int) {
	for _, n := range w.steps {
		steps += n
	}
	return steps
}

// losses are the results of records by run.
func losses(recs []*record.Run) map[string]float64 {
	m := map[string]float64{}
	for _, r := range recs {
		m[r.ID] = r.Eval["adapt_after"]
	}
	return m
}

// A sweep that is stopped anywhere and begun again trains every step once, and
// comes to what one without a stop does.
func TestSweepGoesOn(t *testing.T) {
	setting, grid := tinyGrid(t)
	uncut := newWatcher()
	wantDir := t.TempDir()
	want, err := Run(context.Background(), setting, grid, wantDir, 2, uncut)
	if err != nil {
		t.Fatal(err)
	}
	if len(want) < 6 || uncut.planned != len(want) || len(uncut.ended) != len(want) || uncut.trained() != 4*len(want) {
		t.Errorf("%d runs: told of %d planned, %d ended, %d steps", len(want), uncut.planned, len(uncut.ended), uncut.trained())
	}
	for _, workers := range []int{1, 3} {
		for _, cut := range []int{1, 6, 13} {
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(context.Background())
			w := newWatcher()
			w.step = func() {
				if w.trained() == cut {
					cancel()
				}
			}
			recs, err := Run(ctx, setting, grid, dir, workers, w)
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("cut at step %d: have error %v", cut, err)
			}
			for _, r := range recs {
				if r.Status != record.Done || w.steps[r.ID] != 4 {
					t.Errorf("cut at step %d: %s is %s after %d steps", cut, r.ID, r.Status, w.steps[r.ID])
				}
			}
			folders, _ := os.ReadDir(dir)
			if begun := len(w.steps); len(folders) > begun+workers {
				t.Errorf("cut at step %d: %d runs have begun, %d folders", cut, begun, len(folders))
			}

			again := newWatcher()
			again.steps = w.steps
			have, err := Run(context.Background(), setting, grid, dir, workers, again)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range have {
				if again.steps[r.ID] != 4 {
					t.Errorf("cut at step %d: %s took %d steps in all, want 4", cut, r.ID, again.steps[r.ID])
				}
			}
			if len(again.reused) != len(recs) {
				t.Errorf("cut at step %d: found %v done, want %d", cut, again.reused, len(recs))
			}
			wantEqual(t, dir, have, wantDir, want)

			third := newWatcher()
			if have, err = Run(context.Background(), setting, grid, dir, workers, third); err != nil {
				t.Fatal(err)
			}
			if third.trained() != 0 || len(third.reused) != len(want) {
				t.Errorf("a third time: %d steps, %d runs found", third.trained(), len(third.reused))
			}
			wantEqual(t, dir, have, wantDir, want)
		}
	}
}

// wantEqual compares the adapters of two sweeps bit for bit.
func wantEqual(t *testing.T, dir string, have []*record.Run, wantDir string, want []*record.Run) {
	t.Helper()
	if len(have) != len(want) {
		t.Fatalf("have runs %v, want %v", losses(have), losses(want))
	}
	for i := range want {
		if have[i].ID != want[i].ID || have[i].Eval["adapt_after"] != want[i].Eval["adapt_after"] {
			t.Errorf("run %d: have %s with loss %v, want %s with %v", i, have[i].ID, have[i].Eval["adapt_after"], want[i].ID, want[i].Eval["adapt_after"])
		}
		const file = "adapter/adapter_model.safetensors"
		a, errA := os.ReadFile(filepath.Join(dir, have[i].ID, file))
		b, errB := os.ReadFile(filepath.Join(wantDir, want[i].ID, file))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("the adapters of %s differ: %v, %v", want[i].ID, errA, errB)
		}
	}
}

// A context that is done already trains nothing, but gives what is complete.
func TestSweepCancelledBefore(t *testing.T) {
	setting, grid := tinyGrid(t)
	grid.Extend = 0
	dir := t.TempDir()
	part := *grid
	part.Methods = []string{"dora"}
	if _, err := Run(context.Background(), setting, &part, dir, 2, newWatcher()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("a cause of its own"))
	w := newWatcher()
	recs, err := Run(ctx, setting, grid, dir, 2, w)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("have error %v", err)
	}
	if len(recs) != 3 || len(w.reused) != 3 || w.trained() != 0 {
		t.Errorf("have %v, %d steps", losses(recs), w.trained())
	}
	if folders, _ := os.ReadDir(dir); len(folders) != 3 {
		t.Errorf("%d folders, want 3", len(folders))
	}
}

// A run that fails is recorded and told; the others are trained.
func TestAFailureStopsNoOther(t *testing.T) {
	setting, grid := tinyGrid(t)
	grid.Extend = 0
	grid.Methods = []string{"lora", "nosuch", "dora"}
	dir := t.TempDir()
	w := newWatcher()
	recs, err := Run(context.Background(), setting, grid, dir, 2, w)
	if err != nil {
		t.Fatal(err)
	}
	if len(recs) != 9 || len(w.failed) != 3 || w.trained() != 6*4 {
		t.Errorf("have %d records, failures %v, %d steps", len(recs), w.failed, w.trained())
	}
	for _, r := range recs {
		failed := strings.HasPrefix(r.ID, "nosuch")
		if (r.Status == record.Failed) != failed || (r.Status == record.Done) == failed {
			t.Errorf("%s is %s", r.ID, r.Status)
		}
	}
	// Later it is tried once more, and nothing else.
	again := newWatcher()
	if _, err := Run(context.Background(), setting, grid, dir, 2, again); err != nil {
		t.Fatal(err)
	}
	if again.trained() != 0 || len(again.reused) != 6 || len(again.failed) != 3 {
		t.Errorf("again: %d steps, %d found, failures %v", again.trained(), len(again.reused), again.failed)
	}
}

// Where nothing can be written the sweep stops, and says where.
func TestSweepIntoAFile(t *testing.T) {
	setting, grid := tinyGrid(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{0, 1, 3} { // 0 is 1
		w := newWatcher()
		recs, err := Run(context.Background(), setting, grid, filepath.Join(file, "runs"), workers, w)
		if err == nil || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "\n") {
			t.Errorf("have error %v, want one line that names %s", err, file)
		}
		if len(recs) != 0 || w.trained() != 0 || len(w.ended) != 0 {
			t.Errorf("have %v, %d steps, %v ended", losses(recs), w.trained(), w.ended)
		}
	}
}

// One folder of many that cannot be written stops the sweep too: the disk may
// be full.
func TestOneFolderIsAFile(t *testing.T) {
	setting, grid := tinyGrid(t)
	dir := t.TempDir()
	bad := filepath.Join(dir, ID("dora", 1e-4, 1))
	if err := os.WriteFile(bad, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	recs, err := Run(context.Background(), setting, grid, dir, 1, newWatcher())
	if err == nil || !strings.Contains(err.Error(), bad) || strings.Contains(err.Error(), "\n") {
		t.Errorf("have error %v, want one line that names %s", err, bad)
	}
	if !slices.ContainsFunc(recs, func(r *record.Run) bool { return r.ID == ID("lora", 1e-4, 1) }) {
		t.Errorf("have %v, want the run before", losses(recs))
	}
}
