package experiments

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/lora"
)

// A taskCase is a small configuration of each kind of work.
type taskCase struct {
	name, model, task string
	data              func(t *testing.T) Data
	change            func(c *Config)
}

func ofRecords(d Data) func(t *testing.T) Data {
	return func(t *testing.T) Data {
		d.Train = dataFile(t, opinions(64)...)
		return d
	}
}

var taskCases = []taskCase{
	{"text", "llama", CausalLM, func(t *testing.T) Data { return Data{Train: textFile(t, "a.txt", string(proseText))} }, nil},
	{"records", "llama", CausalLM, ofRecords(Data{Text: "text", Target: ""}), func(c *Config) { c.Task = CausalLM }},
	{"prompts", "llama", CausalLM, ofRecords(Data{Text: "prompt", Target: "answer"}), nil},
	{"masked text", "masked bert", MaskedLM, func(t *testing.T) Data { return Data{Train: textFile(t, "a.txt", string(proseText))} }, nil},
	{"masked records", "masked bert", MaskedLM, ofRecords(Data{}), func(c *Config) { c.Task = MaskedLM }},
	{"classes", "bert", Classification, ofRecords(Data{}), nil},
	{"classes by a decoder", "llama", Classification, ofRecords(Data{Label: "label"}), nil},
	{"pairs", "bert", Classification, ofRecords(Data{Pair: "second"}), nil},
	{"numbers", "bert", Regression, ofRecords(Data{Label: "score"}), nil},
	{"sets", "bert", MultiLabel, ofRecords(Data{Label: "topics"}), nil},
	{"targets", "t5", Seq2Seq, ofRecords(Data{Target: "label"}), nil},
	{"images", "vit", ImageClassification, func(t *testing.T) Data { return Data{Train: imageDir(t, 16)} }, nil},
}

// taskConfig is the configuration of a case, for 40 steps.
func taskConfig(t *testing.T, k taskCase) *Config {
	t.Helper()
	c := DefaultConfig()
	c.Model = modelDir(t, k.model)
	c.Data = k.data(t)
	c.Data.MaxBytes, c.Data.HeldOut = 1, 0.25
	c.Rank, c.Alpha = 4, 8
	c.Train.Steps, c.Train.Batch, c.Train.Tokens, c.Train.LR = 40, 8, 16, 1e-2
	c.Eval, c.Probe, c.Checkpoint = Eval{Every: 20}, Probe{}, Checkpoint{Every: 7}
	if k.change != nil {
		k.change(c)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

func openTask(t *testing.T, c *Config) *Setting {
	t.Helper()
	s, err := Open(context.Background(), t.TempDir(), c, tinyPretraining, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func taskRun(t *testing.T, c *Config) *Run {
	t.Helper()
	return &Run{Setting: openTask(t, c), Config: c, Dir: filepath.Join(t.TempDir(), "run")}
}

// Every task is learned, and recorded under the names of its measures.
func TestTasksAreLearned(t *testing.T) {
	for _, k := range taskCases {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := taskRun(t, taskConfig(t, k))
			if r.Setting.Task != k.task {
				t.Fatalf("the task is %s, want %s", r.Setting.Task, k.task)
			}
			rec, err := r.Do(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			e := rec.Eval
			if !(e["adapt_after"] < 0.9*e["adapt_before"]) {
				t.Errorf("the held-out loss went from %v to %v", e["adapt_before"], e["adapt_after"])
			}
			if v, ok := e["accuracy_after"]; ok && !(v > 0.9) {
				t.Errorf("the accuracy is %v", v)
			}
			if v, ok := e["macro_f1_after"]; ok && !(v > 0.9) {
				t.Errorf("the macro-F1 is %v", v)
			}
			if v, ok := e["pearson_after"]; ok && !(v > 0.9) {
				t.Errorf("the correlation is %v", v)
			}
			if v, ok := e["perplexity_after"]; ok && v != math.Exp(e["adapt_after"]) {
				t.Errorf("the perplexity is %v of a loss of %v", v, e["adapt_after"])
			}
			rows, err := record.ReadMetrics(r.Dir)
			if err != nil {
				t.Fatal(err)
			}
			var train []float64
			measured := map[string]int{}
			for _, m := range rows {
				if m.Name == "train_loss" {
					train = append(train, m.Value)
				}
				if strings.HasPrefix(m.Name, "eval_") {
					measured[m.Name]++
				}
			}
			mean := func(x []float64) (m float64) {
				for _, v := range x {
					m += v / float64(len(x))
				}
				return m
			}
			if len(train) != 40 || !(mean(train[30:]) < mean(train[:10])) {
				t.Errorf("have training losses %v", train)
			}
			want := []string{"eval_loss", "eval_perplexity"}
			switch {
			case k.task == Regression:
				want = []string{"eval_loss", "eval_mse", "eval_pearson"}
			case classifies(k.task):
				want = []string{"eval_accuracy", "eval_loss", "eval_macro_f1"}
			}
			if have := slices.Sorted(maps.Keys(measured)); !slices.Equal(have, want) || measured["eval_loss"] != 2 {
				t.Errorf("have measures %v, want %v, twice", measured, want)
			}
			wantAdapter(t, r, k)
		})
	}
}

// wantAdapter checks that what a run left is the model that it evaluated, and
// says what it is.
func wantAdapter(t *testing.T, r *Run, k taskCase) {
	t.Helper()
	config := readFile(t, filepath.Join(r.Dir, "adapter", lora.ConfigFile))
	var fields struct {
		Base string   `json:"base_model_name_or_path"`
		Task *string  `json:"task_type"`
		Save []string `json:"modules_to_save"`
	}
	if err := json.Unmarshal(config, &fields); err != nil {
		t.Fatal(err)
	}
	task := ""
	if fields.Task != nil {
		task = *fields.Task
	}
	if fields.Base != r.Config.Model || task != peftTypes[k.task] {
		t.Errorf("adapter_config.json is of %q, %q", fields.Base, task)
	}
	if head := map[string]string{"bert": "classifier", "llama": "score", "vit": "classifier"}[k.model]; classifies(k.task) && !slices.Contains(fields.Save, head) {
		t.Errorf("modules_to_save are %q, want %q among them", fields.Save, head)
	}
	model := r.Setting.Base.Clone()
	if _, err := lora.Load(model, config, readFile(t, filepath.Join(r.Dir, "adapter", lora.WeightsFile))); err != nil {
		t.Fatal(err)
	}
	g, err := newGraph(model, r.Setting.feed.open(8, 0), 1)
	if err != nil {
		t.Fatal(err)
	}
	s, err := g.evaluate(t.Context(), r.Setting.feed.exams[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := record.ReadRun(r.Dir)
	if err != nil || s.mean() != rec.Eval["adapt_after"] {
		t.Errorf("the loaded adapter has a loss of %v, the run %v, %v", s.mean(), rec.Eval["adapt_after"], err)
	}
	if !classifies(k.task) || k.task == Regression {
		return
	}
	var labels Labels
	if err := json.Unmarshal(readFile(t, filepath.Join(r.Dir, labelsFile)), &labels); err != nil {
		t.Fatal(err)
	}
	for i, name := range r.Setting.Labels {
		if labels.ID2Label[fmt.Sprint(i)] != name || labels.Label2ID[name] != i {
			t.Errorf("have labels %+v, want %q", labels, r.Setting.Labels)
		}
	}
}

// A run of any task that is cut off comes out as if it had not been.
func TestTasksResume(t *testing.T) {
	for _, name := range []string{"classes", "masked text", "sets", "images", "targets"} {
		k := taskCases[slices.IndexFunc(taskCases, func(k taskCase) bool { return k.name == name })]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := taskConfig(t, k)
			c.Train.Steps, c.Train.Accumulate, c.Train.Batch, c.Bias = 10, 2, 3, "all"
			whole := taskRun(t, c)
			want := finish(t, whole)
			for _, cut := range []int{1, 8, 10} { // the last: what is left is the evaluation
				r := &Run{Setting: whole.Setting, Config: c, Dir: filepath.Join(t.TempDir(), "run")}
				ctx, cancel := context.WithCancel(context.Background())
				r.Watch = func(step, _ int, _ float64) {
					if step == cut {
						cancel()
					}
				}
				if _, err := r.Do(ctx); !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				r.Watch = nil
				wantSame(t, fmt.Sprintf("cut at step %d", cut), finish(t, r), want)
			}
		})
	}
}
