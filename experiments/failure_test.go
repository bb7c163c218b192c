package experiments

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
)

// Divergence is a result, with its step, and no adapter.
func TestDivergence(t *testing.T) {
	huge := func(c *Config) { c.Train.LR, c.Train.Clip, c.Train.Warmup, c.Probe = 1e6, 0, 0, Probe{1, 1, 2, 4, 0} }
	diverged := 0
	for _, m := range lora.Methods() { // none may fail on numbers that are not finite
		r := tinyRun(t, m.Name, huge)
		rec, err := r.Do(context.Background())
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		if rec.Status == record.Done { // a norm may hold even such weights
			continue
		}
		diverged++
		if rec.Status != record.Diverged || rec.DivergedAt < 1 || rec.DivergedAt > 8 || rec.Error != "" {
			t.Errorf("%s: have %s at step %d, %q", m.Name, rec.Status, rec.DivergedAt, rec.Error)
		}
		if _, finished := r.Finished(); !finished {
			t.Errorf("%s: a run that diverged is not finished", m.Name)
		}
		want := slices.DeleteFunc(slices.Clone(runFiles), func(f string) bool { return strings.HasPrefix(f, "adapter/") })
		if have := namedFiles(t, r.Dir); !slices.Equal(have, want) {
			t.Errorf("%s: have files %q, want %q", m.Name, have, want)
		}
		rows, err := record.ReadMetrics(r.Dir)
		if err != nil {
			t.Fatal(err)
		}
		if last := rows[len(rows)-1]; last.Step != rec.DivergedAt {
			t.Errorf("%s: the last metric is of step %d, diverged at %d", m.Name, last.Step, rec.DivergedAt)
		}
		if _, ok := rec.Eval["adapt_after"]; ok && finite(rec.Eval["adapt_after"]) {
			t.Errorf("%s: has a loss after divergence: %v", m.Name, rec.Eval)
		}
	}
	if diverged < 8 { // of sixteen; a product of two factors of 1e6 is past any norm
		t.Errorf("%d methods diverged: the test has lost its point", diverged)
	}
}

// A run that cannot be is a failure of one line, recorded, and leaves no
// adapter and no checkpoint.
func TestRefusedRuns(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		says   []string
	}{
		"method":    {func(c *Config) { c.Method = Method{Name: "dorra"} }, []string{`"dorra"`, "dora"}},
		"parts":     {func(c *Config) { c.Method = Method{Delta: Part{Row: "hira"}, Init: Part{Row: "pissa"}} }, []string{"init pissa needs", "delta hira"}},
		"target":    {func(c *Config) { c.Targets = Targets{Names: []string{"q_porj"}} }, []string{`"q_porj"`, "q_proj"}},
		"rank":      {func(c *Config) { c.Rank = 1000 }, []string{"rank is 1000", "model.layers.0.self_attn.q_proj"}},
		"dropout":   {func(c *Config) { c.Method, c.Dropout = Method{Name: "hira"}, 0.1 }, []string{"dropout is 0.1", "hira"}},
		"part rank": {func(c *Config) { c.Method, c.Rank = Method{Name: "pissa"}, 40 }, []string{"rank", "40"}},
	} {
		r := tinyRun(t, "lora", c.change)
		_, err := r.Do(context.Background())
		wantOneLine(t, err, c.says...)
		rec, readErr := record.ReadRun(r.Dir)
		if readErr != nil || err == nil || rec.Status != record.Failed || rec.Error != err.Error() || rec.Method.Name != r.Config.Method.String() {
			t.Errorf("%s: have record %+v, %v, want a failure that says %v", name, rec, readErr, err)
			continue
		}
		if have, want := filesIn(t, r.Dir), []string{"config.yaml", "metrics.jsonl", "run.json"}; !slices.Equal(have, want) {
			t.Errorf("%s: have files %q, want %q", name, have, want)
		}
		if _, checkErr := r.Setting.Check(r.Config); checkErr == nil || checkErr.Error() != err.Error() {
			t.Errorf("%s: Check says %v, the run %v", name, checkErr, err)
		}
		if _, finished := r.Finished(); finished {
			t.Errorf("%s: a failed run is finished", name)
		}
	}
}

func TestFolderThatCannotBe(t *testing.T) {
	r := tinyRun(t, "lora")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	r.Dir = filepath.Join(file, "run")
	_, err := r.Do(context.Background())
	wantOneLine(t, err, r.Dir)
}

// zeros is an initializer that is a trap: with A and B both zero neither has a
// gradient.
type zeros struct{}

func (zeros) Needs() []adapter.Capability               { return nil }
func (zeros) Provides() []adapter.Capability            { return nil }
func (zeros) Init([]*adapter.Map, adapter.Inputs) error { return nil }

// A learning rate too small to change a float32 is no such trap.
func TestTinyLearningRateIsNoTrap(t *testing.T) {
	for _, m := range lora.Methods() {
		finish(t, tinyRun(t, m.Name, func(c *Config) { c.Train.LR = 1e-30 }))
	}
}

func TestStuckFactorsAreNamed(t *testing.T) {
	method, err := lora.Row("lora")
	if err != nil {
		t.Fatal(err)
	}
	method.Initial = zeros{}
	r := tinyRun(t, "lora", func(c *Config) { c.Targets = Targets{Names: []string{"q_proj"}} })
	train := &training{Run: r}
	if err := train.open(); err != nil {
		t.Fatal(err)
	}
	defer train.log.Close()
	if err := train.build(t.Context(), method); err != nil {
		t.Fatal(err)
	}
	err = train.loop(context.Background())
	wantOneLine(t, err, "by step 3", "model.layers.0.self_attn.q_proj.A", "model.layers.0.self_attn.q_proj.B", "model.layers.1.self_attn.q_proj.A")
	if train.step != reachedBy {
		t.Errorf("stopped at step %d, want %d", train.step, reachedBy)
	}
}
