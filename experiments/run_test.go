package experiments

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
)

// runFiles are what a complete run leaves.
var runFiles = []string{"adapter/adapter_config.json", "adapter/adapter_model.safetensors", "adapters.json",
	"config.yaml", "events.out.tfevents", "metrics.jsonl", "metrics.parquet", "run.json"}

// namedFiles is filesIn with the time in the name of the events left out.
func namedFiles(t *testing.T, dir string) []string {
	files := filesIn(t, dir)
	for i, f := range files {
		if strings.HasPrefix(f, "events.out.tfevents.") {
			files[i] = "events.out.tfevents"
		}
	}
	return files
}

func TestRunLeaves(t *testing.T) {
	r := tinyRun(t, "pissa", func(c *Config) { c.Name = "run" })
	if _, finished := r.Finished(); finished {
		t.Error("finished before it began")
	}
	finish(t, r)
	if have := namedFiles(t, r.Dir); !slices.Equal(have, runFiles) {
		t.Errorf("have files %q, want %q", have, runFiles)
	}
	c, err := ReadConfig(filepath.Join(r.Dir, "config.yaml"))
	if err != nil || !reflect.DeepEqual(c, r.Config) {
		t.Errorf("config.yaml is read as %+v, %v, want %+v", c, err, r.Config)
	}
	rec, finished := r.Finished()
	if !finished {
		t.Fatal("not finished")
	}
	want := record.Parts{Delta: "lora", Init: "pissa", Update: "lora", Rank: "none", Router: "none"}
	if rec.ID != "run" || rec.Method.Name != "pissa" || rec.Method.ArXiv != "2404.02948" || rec.Method.Parts != want {
		t.Errorf("have record of %s, %+v", rec.ID, rec.Method)
	}
	// 2 layers of 7 maps; A and B of rank 4.
	maps := 2
	weights := 32*32 + 2*16*32 + 32*32 + 3*48*32
	factors := 4 * (2*(32+32) + 2*(32+16) + 3*(32+48))
	train := rec.Train
	if train.Adapters != 7*maps || len(train.Targets) != 7*maps || train.TrainedParameters != int64(2*factors) ||
		train.TotalParameters != int64(256*32+2*(weights+2*32)+32) {
		t.Errorf("have %+v", train)
	}
	if train.Steps != 8 || train.Tokens != 8*2*2*16 || !(train.Seconds > 0) || !(train.StepMS > 0) || !(train.TokensPerSecond > 0) ||
		train.AdapterBytes != int64(len(readFile(t, filepath.Join(r.Dir, "adapter/adapter_model.safetensors")))) {
		t.Errorf("have %+v", train)
	}
	for _, name := range []string{"adapt_before", "adapt_after", "adapt_best", "base_before", "base_after"} {
		if v, ok := rec.Eval[name]; !ok || !finite(v) {
			t.Errorf("%s is %v, %v", name, v, ok)
		}
	}
	if rec.Eval["adapt_after"] >= rec.Eval["adapt_before"]-0.05 { // 8 steps bring 0.3 nats
		t.Errorf("the run has learned nothing: %v", rec.Eval)
	}
	if rec.Ended.Before(rec.Started) {
		t.Errorf("ended %v before it started %v", rec.Ended, rec.Started)
	}
}

// Step k of a run sees the batches that the seed draws at its place of the
// stream. With a learning rate that is all but zero the losses are the base
// model's: eight steps of 1e-7 move them by some 1e-5 nats, another batch by
// some 1e-1.
func TestStepsSeeTheirBatches(t *testing.T) {
	r := tinyRun(t, "lora", func(c *Config) { c.Train.LR, c.Train.Seed = 1e-7, 11 })
	finish(t, r)
	rows, err := record.ReadMetrics(r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	g, err := newGraph(r.Setting.Base.Clone(), byteBatch(2, 16), 1)
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	for _, m := range rows {
		if m.Name != "train_loss" {
			continue
		}
		steps++
		var want float64
		for pass := range 2 {
			g.bytes().Draw(r.Setting.Adapt.Train, 11, "data", (m.Step-1)*2+pass)
			want += g.forward() / (2 * 2 * 16)
		}
		if math.Abs(m.Value-want) > 1e-4 {
			t.Errorf("step %d: have loss %v, want %v", m.Step, m.Value, want)
		}
	}
	if steps != 8 {
		t.Errorf("%d losses", steps)
	}
}

func TestMetricsOfARun(t *testing.T) {
	r := tinyRun(t, "adalora")
	finish(t, r)
	rows, err := record.ReadMetrics(r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	steps := map[string][]int{} // of the model's metrics
	layers := map[string]int{}  // rows of the adapters'
	for _, m := range rows {
		if m.Layer == "" {
			steps[m.Name] = append(steps[m.Name], m.Step)
		} else if m.Step == 4 && !m.Aggregate() {
			layers[m.Name]++
		}
	}
	every := []int{1, 2, 3, 4, 5, 6, 7, 8}
	for name, want := range map[string][]int{
		"train_loss": every, "lr": every, "grad_norm": every, "clip_fraction": every, "orth_loss": every,
		"eval_adapt_loss": {3, 6, 8}, "eval_base_loss": {3, 6, 8}, "total_rank": {0, 1, 2, 4, 6, 8},
	} {
		if !slices.Equal(steps[name], want) {
			t.Errorf("%s at steps %v, want %v", name, steps[name], want)
		}
	}
	for _, name := range []string{"norm_a", "norm_b", "update_norm", "effective_rank", "rank"} {
		if layers[name] != 14 {
			t.Errorf("%s of %d maps, want 14", name, layers[name])
		}
	}
}

// Any division of the work among threads gives the same adapter.
func TestThreadsDoNotMatter(t *testing.T) {
	wide := func(c *Config) {
		c.Train.Steps, c.Train.Batch, c.Train.Tokens, c.Train.Accumulate, c.Probe = 3, 8, 16, 1, Probe{}
	}
	for _, method := range []string{"lora", "adalora", "lora-pro", "pissa", "lora-moe", "full"} {
		want := finish(t, tinyRun(t, method, wide))
		for _, procs := range []int{1, 2, 8} {
			before := runtime.GOMAXPROCS(procs)
			have := finish(t, tinyRun(t, method, wide))
			runtime.GOMAXPROCS(before)
			wantSame(t, method, have, want)
		}
		kernels.SetThreads(1)
		have := finish(t, tinyRun(t, method, wide))
		kernels.SetThreads(0)
		wantSame(t, method+" on one thread", have, want)
	}
}

// Dropout acts on training alone, and on nothing but the adapters: the first losses
// of an evaluation are those without it, instruments and threads change nothing, and
// neither does computing the blocks again for the gradients, or stopping in between.
func TestDropout(t *testing.T) {
	for _, method := range []string{"lora", "dora", "adalora", "lora-moe"} {
		drop := func(c *Config) { c.Dropout = 0.3 }
		want, plain := finish(t, tinyRun(t, method, drop)), finish(t, tinyRun(t, method))
		if bytes.Equal(want.adapter["adapter_model.safetensors"], plain.adapter["adapter_model.safetensors"]) {
			t.Errorf("%s: dropout changes nothing", method)
		}
		if have, want := want.eval["adapt_before"], plain.eval["adapt_before"]; have != want {
			t.Errorf("%s: before the first step the loss is %v, without dropout %v", method, have, want)
		}
		wantSameAdapter(t, method+" without instruments", finish(t, tinyRun(t, method, drop, func(c *Config) { c.Probe = Probe{} })), want)
		wantSame(t, method+" with blocks computed again", finish(t, tinyRun(t, method, drop, func(c *Config) { c.Checkpoint.Blocks = true })), want)
		kernels.SetThreads(1)
		wantSame(t, method+" on one thread", finish(t, tinyRun(t, method, drop)), want)
		kernels.SetThreads(0)

		r := tinyRun(t, method, drop)
		ctx, cancel := context.WithCancel(context.Background())
		r.Watch = func(step, _ int, _ float64) {
			if step == 5 {
				cancel()
			}
		}
		if _, err := r.Do(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		wantSame(t, method+" cut at step 5", finish(t, r), want)
	}
}

func TestProbeOnlyReads(t *testing.T) {
	for _, method := range []string{"lora", "dora", "hira", "adalora", "lora-pro", "mola", "full"} {
		with := finish(t, tinyRun(t, method, func(c *Config) { c.Probe = Probe{1, 1, 1, 1, 0} }))
		without := finish(t, tinyRun(t, method, func(c *Config) { c.Probe = Probe{} }))
		wantSameAdapter(t, method, with, without)
		if len(with.metrics) <= len(without.metrics) {
			t.Errorf("%s: the probe has measured nothing", method)
		}
	}
}

func TestNoEvaluationInBetween(t *testing.T) {
	r := tinyRun(t, "lora", func(c *Config) { c.Eval.Every, c.Checkpoint.Every = 0, 0 })
	finish(t, r)
	rows, err := record.ReadMetrics(r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range rows {
		if m.Name == "eval_adapt_loss" && m.Step != 8 {
			t.Errorf("evaluated at step %d", m.Step)
		}
	}
}

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

// What the run has written is the model that it evaluated.
func TestAdapterLoadsAgain(t *testing.T) {
	for _, m := range lora.Methods() {
		r := tinyRun(t, m.Name)
		want := finish(t, r)
		model := r.Setting.Base.Clone()
		if _, err := lora.Load(model, want.adapter["adapter_config.json"], want.adapter["adapter_model.safetensors"]); err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		g, err := newGraph(model, byteBatch(2, 16), 1)
		if err != nil {
			t.Fatal(err)
		}
		have := meanOf(t, g, r.Setting.Adapt.HeldOut, 2)
		// What the base holds, of a start that was taken out or of products that
		// were folded in, is stored at a higher rank on the base itself: float32
		// rounds W0 − s·B₀·A₀ + s·B·A elsewhere, by about 2⁻²⁴ of a weight, which
		// moves a loss of 3 nats by less than 1e-5. All others are equal to the
		// last bit.
		var stored struct {
			R     int
			Start int `json:"init_r"` // of AdaLoRA's type
		}
		if err := json.Unmarshal(want.adapter["adapter_config.json"], &stored); err != nil {
			t.Fatal(err)
		}
		within := 0.0
		if max(stored.R, stored.Start) > r.Config.Rank {
			within = 1e-5
		}
		if math.Abs(have-want.eval["adapt_after"]) > within {
			t.Errorf("%s: the loaded adapter has a loss of %v, the run %v", m.Name, have, want.eval["adapt_after"])
		}
	}
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

// A base in float32 whose weights are packed for every product, and steps that
// keep no activations of the blocks, give the run that a plain one is, bit for
// bit; a base in NF4 another one, which learns too.
func TestKeptBase(t *testing.T) {
	run := func(b Base, blocks bool) result {
		s, err := openTiny(b)
		if err != nil {
			t.Fatal(err)
		}
		r := tinyRun(t, "lora", func(c *Config) { c.Base, c.Checkpoint.Blocks = b, blocks })
		r.Setting = s
		return finish(t, r)
	}
	plain := run(Base{}, false)
	wantSame(t, "base: float32, checkpoint: true", run(Base{Format: "float32"}, true), plain)
	nf4 := run(Base{Format: "nf4"}, false)
	wantSame(t, "base: nf4, checkpoint: true", run(Base{Format: "nf4"}, true), nf4)
	if before, after := nf4.eval["adapt_before"], nf4.eval["adapt_after"]; before == plain.eval["adapt_before"] || after >= before-0.05 {
		t.Errorf("nf4 goes from %v to %v, float32 from %v", before, after, plain.eval["adapt_before"])
	}
}
