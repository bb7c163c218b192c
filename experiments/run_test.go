package experiments

import (
	"encoding/json"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/lora"
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
			want += forward(t, g) / (2 * 2 * 16)
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

// An exam is taken in the memory of the training graph, whose values are gone then,
// and the step that follows is the one that follows without an exam.
func TestExamsTakeNoMemoryOfTheirOwn(t *testing.T) {
	begin := func() *training {
		train := &training{Run: tinyRun(t, "lora")}
		if err := train.open(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { train.log.Close() })
		method, err := lora.Row("lora")
		if err != nil {
			t.Fatal(err)
		}
		if err := train.build(t.Context(), method); err != nil {
			t.Fatal(err)
		}
		train.step = 1
		return train
	}
	step := func(train *training) (loss float64, gradient []float32) {
		loss, err := train.gradients()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range train.set.Maps {
			gradient = append(gradient, m.Factor("B").GradFloats()...)
		}
		train.opt.ZeroGrad()
		return loss, gradient
	}
	train, alone := begin(), begin()
	step(train)
	step(alone)
	var values [][]float32
	for _, x := range train.train.input.Hidden {
		values = append(values, slices.Clone(ag.Floats(x)))
	}
	if _, err := train.evaluate(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept := 0
	for i, x := range train.train.input.Hidden {
		if slices.Equal(values[i], ag.Floats(x)) {
			kept++
		}
	}
	if kept == len(values) {
		t.Error("every block's output is there after an exam")
	}
	loss, gradient := step(train)
	if want, same := step(alone); loss != want || !slices.Equal(gradient, same) {
		t.Errorf("after an exam: loss %v, without %v, or a gradient that differs", loss, want)
	}
}
