package experiments

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/experiments/record"
)

// A run that is stopped after any step, on a checkpoint or between two, and
// continued comes out as if it had not been.
func TestResumeIsBitForBit(t *testing.T) {
	for _, method := range []string{"lora", "adalora", "lora-pro", "pissa", "lora-ga", "lora-moe", "full", "relora", "delta-lora"} {
		t.Run(method, func(t *testing.T) {
			whole := tinyRun(t, method)
			want := finish(t, whole)
			for _, cut := range []int{1, 2, 5, 7} {
				r := tinyRun(t, method)
				ctx, cancel := context.WithCancel(context.Background())
				r.Watch = func(step, _ int, _ float64) {
					if step == cut {
						cancel()
					}
				}
				if _, err := r.Do(ctx); !errors.Is(err, context.Canceled) {
					t.Fatalf("cut at step %d: %v", cut, err)
				}
				rec, err := record.ReadRun(r.Dir)
				if err != nil || rec.Status != record.Cancelled {
					t.Fatalf("cut at step %d: have record %+v, %v", cut, rec, err)
				}
				if _, finished := r.Finished(); finished {
					t.Errorf("cut at step %d: finished", cut)
				}
				steps := 0
				r.Watch = func(int, int, float64) { steps++ }
				wantSame(t, fmt.Sprintf("cut at step %d", cut), finish(t, r), want)
				if left := whole.Config.Train.Steps - cut; steps != left {
					t.Errorf("cut at step %d: took %d steps more, want %d", cut, steps, left)
				}
			}
		})
	}
}

// The best loss may lie before the cut.
func TestResumeKnowsTheBestLoss(t *testing.T) {
	rising := func(c *Config) { c.Train.LR, c.Train.Schedule, c.Train.Warmup, c.Eval.Every = 0.5, "constant", 0, 1 }
	want := finish(t, tinyRun(t, "lora", rising))
	if want.eval["adapt_best"] >= want.eval["adapt_after"] {
		t.Fatalf("the loss does not rise: %v", want.eval)
	}
	r := tinyRun(t, "lora", rising)
	ctx, cancel := context.WithCancel(context.Background())
	r.Watch = func(step, _ int, _ float64) {
		if step == 7 {
			cancel()
		}
	}
	if _, err := r.Do(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	wantSame(t, "cut at step 7", finish(t, r), want)
}

// A process that is killed leaves what was on the disk at that moment. Here
// the folder is copied while the run is at work, and the run goes on in the
// copy: from the last checkpoint, from nothing where there is none, and after
// a line that the log holds only in part.
func TestResumeAfterAKill(t *testing.T) {
	for _, method := range []string{"lora", "adalora", "lora-pro", "pissa", "lora-moe", "full"} {
		t.Run(method, func(t *testing.T) {
			r := tinyRun(t, method)
			killed := map[int]string{}
			r.Watch = func(step, _ int, _ float64) {
				killed[step] = filepath.Join(t.TempDir(), "run")
				if err := os.CopyFS(killed[step], os.DirFS(r.Dir)); err != nil {
					t.Fatal(err)
				}
			}
			want := finish(t, r)
			for step, from := range map[int]int{1: 0, 3: 3, 5: 3, 8: 6} {
				again := tinyRun(t, method)
				again.Dir = killed[step]
				tear(t, filepath.Join(again.Dir, "metrics.jsonl"))
				wantStart(t, again, from, want, fmt.Sprintf("killed after step %d", step))
			}
			again := tinyRun(t, method)
			again.Dir = killed[4]
			if err := os.Remove(filepath.Join(again.Dir, checkpointFile)); err != nil {
				t.Fatal(err)
			}
			wantStart(t, again, 0, want, "without a checkpoint")
		})
	}
}

func tear(t *testing.T, log string) {
	t.Helper()
	if err := os.WriteFile(log, append(readFile(t, log), `{"step":9,"na`...), 0o666); err != nil {
		t.Fatal(err)
	}
}

// wantStart finishes the run, which must go on after a step.
func wantStart(t *testing.T, r *Run, from int, want result, what string) {
	t.Helper()
	first := 0
	r.Watch = func(step, _ int, _ float64) {
		if first == 0 {
			first = step
		}
	}
	wantSame(t, what, finish(t, r), want)
	if first != from+1 {
		t.Errorf("%s: went on with step %d, want %d", what, first, from+1)
	}
}

// A checkpoint that is of another configuration is of no use, and one that is
// not whole is an error, not a guess.
func TestCheckpointOfAnother(t *testing.T) {
	stop := func(r *Run) {
		ctx, cancel := context.WithCancel(context.Background())
		r.Watch = func(step, _ int, _ float64) {
			if step == 4 {
				cancel()
			}
		}
		if _, err := r.Do(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	old := tinyRun(t, "lora")
	stop(old)
	r := tinyRun(t, "lora", func(c *Config) { c.Train.LR = 1e-3 })
	want := finish(t, tinyRun(t, "lora", func(c *Config) { c.Train.LR = 1e-3 }))
	r.Dir = old.Dir
	wantStart(t, r, 0, want, "another learning rate")

	old = tinyRun(t, "lora")
	stop(old)
	path := filepath.Join(old.Dir, checkpointFile)
	if err := os.Truncate(path, 1000); err != nil {
		t.Fatal(err)
	}
	_, err := old.Do(context.Background())
	wantOneLine(t, err, checkpointFile)
	if rec, err := record.ReadRun(old.Dir); err != nil || rec.Status != record.Failed || !strings.Contains(rec.Error, checkpointFile) {
		t.Errorf("have record %+v, %v, want a failure that names the file", rec, err)
	}
}

// A run is the same under another name.
func TestFingerprintIsOfTheComputation(t *testing.T) {
	print := func(change ...func(*Config)) string {
		fp, err := tinyRun(t, "lora", change...).Fingerprint()
		if err != nil {
			t.Fatal(err)
		}
		return fp
	}
	plain := print()
	if print(func(c *Config) { c.Name = "other" }) != plain {
		t.Error("the name changes the fingerprint")
	}
	for what, change := range map[string]func(*Config){
		"the seed":   func(c *Config) { c.Train.Seed = 7 },
		"the method": func(c *Config) { c.Method = Method{Name: "dora"} },
		"a part's number": func(c *Config) {
			c.Method = Method{Update: Part{"lora-plus", map[string]float64{"ratio": 2}}}
		},
		"the probe": func(c *Config) { c.Probe = Probe{} }, // the metrics are part of the result
	} {
		if print(change) == plain {
			t.Errorf("%s does not change the fingerprint", what)
		}
	}
}
