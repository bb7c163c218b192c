package experiments

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/experiments/data"
	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
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

// taskGradient is the gradient of a step of 8 examples, so many at a time.
func taskGradient(t *testing.T, s *Setting, c *Config, rows int) (gradient []float64, loss float64) {
	t.Helper()
	model := s.Base.Clone()
	method, err := c.Check()
	if err != nil {
		t.Fatal(err)
	}
	set, err := lora.Inject(model, method, s.options(c))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range set.Maps {
		for i := range m.Factor("B").Floats() {
			m.Factor("B").Floats()[i] = float32(0.1 * math.Sin(float64(i)))
		}
	}
	config := *c
	config.Train.Batch, config.Train.Accumulate = rows, 8/rows
	g, err := newGraph(model, s.feed.open(rows, 0), 8/rows)
	if err != nil {
		t.Fatal(err)
	}
	step := &training{Run: &Run{Setting: s, Config: &config}, set: set, train: g, step: 3}
	if loss, err = step.gradients(); err != nil {
		t.Fatal(err)
	}
	for _, group := range set.Groups() {
		for _, p := range group.Params {
			for _, x := range p.Value.GradFloats() {
				gradient = append(gradient, float64(x))
			}
		}
	}
	return gradient, loss
}

// A step has the same gradient however it is split into passes: each label
// counts for its share of those of the whole step.
func TestAnySplitOfAStep(t *testing.T) {
	for _, k := range taskCases {
		t.Run(k.name, func(t *testing.T) {
			c := taskConfig(t, k)
			s := openTask(t, c)
			want, loss := taskGradient(t, s, c, 8)
			for _, rows := range []int{1, 2, 4} {
				have, other := taskGradient(t, s, c, rows)
				if len(have) != len(want) {
					t.Fatalf("%d gradients, want %d", len(have), len(want))
				}
				var distance, norm float64
				for i := range want {
					distance += (have[i] - want[i]) * (have[i] - want[i])
					norm += want[i] * want[i]
				}
				if relative := math.Sqrt(distance / norm); norm == 0 || !(relative <= 1e-5) {
					t.Errorf("%d rows at a time: the gradient is off by %.2g of its norm %.2g", rows, relative, math.Sqrt(norm))
				}
				if math.Abs(other-loss) > 1e-12*math.Abs(loss) {
					t.Errorf("%d rows at a time: the loss is %v, want %v", rows, other, loss)
				}
			}
		})
	}
}

// An example's logits do not know of the others in its batch: bit for bit. So
// a score does not depend on the size of a batch, and what is left over in the
// last one counts for nothing.
func TestScoresWhateverTheBatch(t *testing.T) {
	for _, k := range taskCases {
		t.Run(k.name, func(t *testing.T) {
			s := openTask(t, taskConfig(t, k))
			var want []measure
			var losses []float32
			for _, rows := range []int{16, 1, 5} {
				g, err := newGraph(s.Base.Clone(), s.feed.open(rows, 0), 1)
				if err != nil {
					t.Fatal(err)
				}
				score, err := g.evaluate(t.Context(), s.feed.exams[0], 0)
				if err != nil {
					t.Fatal(err)
				}
				have := score.measures()
				if want == nil {
					want = have
				}
				for i := range want {
					if have[i].name != want[i].name || math.Abs(have[i].value-want[i].value) > 1e-12*math.Abs(want[i].value) {
						t.Errorf("batches of %d: have %v, want %v", rows, have, want)
					}
				}
				// The first row of the first batch is the same example in all.
				if _, err := s.feed.exams[0].fill(g.batch, 0, s.feed.exams[0].batches(rows, 0)); err != nil {
					t.Fatal(err)
				}
				g.forward()
				z := ag.Floats(g.logits)
				z = slices.Clone(z[:len(z)/rows])
				if losses == nil {
					losses = z
				}
				if !slices.Equal(z, losses) {
					t.Errorf("the first row has other logits in a batch of %d", rows)
				}
			}
		})
	}
}

// Padding changes nothing: a longer one gives the same measures.
func TestPaddingIsNotSeen(t *testing.T) {
	for _, k := range taskCases {
		if k.name == "text" || k.name == "masked text" || k.name == "images" { // which have none, or are cut otherwise
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			c := taskConfig(t, k)
			var want []measure
			for _, tokens := range []int{20, 37} {
				c.Train.Tokens = tokens
				s := openTask(t, c)
				g, err := newGraph(s.Base.Clone(), s.feed.open(4, 0), 1)
				if err != nil {
					t.Fatal(err)
				}
				score, err := g.evaluate(t.Context(), s.feed.exams[0], 0)
				if err != nil {
					t.Fatal(err)
				}
				have := score.measures()
				if want == nil {
					want = have
				}
				for i := range want { // a sum over more keys, of which all but the same are 0
					if math.Abs(have[i].value-want[i].value) > 1e-5*math.Abs(want[i].value) {
						t.Errorf("%d tokens: have %v, want %v", tokens, have, want)
					}
				}
			}
		})
	}
}

// The loss of transformers, on its own inputs.
func TestRecordedClassifier(t *testing.T) {
	dir := "../../shared/fixtures/models/bert_cls"
	model, err := pretrained.Load(dir)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("shared/fixtures is not here")
	}
	if err != nil {
		t.Fatal(err)
	}
	in, err := pretrained.ReadSafetensors(filepath.Join(dir, "inputs.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := pretrained.ReadSafetensors(filepath.Join(dir, "base_outputs.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	ints := func(name string) []int64 {
		x, err := in.Ints(name)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	shape, _ := in.Shape("input_ids")
	rows, tokens := shape[0], shape[1]
	s := &shelf{task: Classification, words: &vocabulary{most: tokens, types: true}}
	b := s.open(rows, tokens)
	for row := range rows {
		e := example{labels: []int32{int32(ints("labels")[row])}}
		for i := range tokens {
			if at := row*tokens + i; ints("attention_mask")[at] == 1 {
				e.ids = append(e.ids, int32(ints("input_ids")[at]))
				e.types = append(e.types, int32(ints("token_type_ids")[at]))
			}
		}
		if err := s.put(b, row, &e, nil); err != nil {
			t.Fatal(err)
		}
	}
	g, err := newGraph(model, b, 1)
	if err != nil {
		t.Fatal(err)
	}
	have := g.forward() / float64(g.counted(rows))
	loss, err := out.Tensor("loss")
	if err != nil {
		t.Fatal(err)
	}
	if want := float64(loss.Data[0]); math.Abs(have-want) > 1e-5*want {
		t.Errorf("have loss %v, recorded is %v", have, want)
	}
}

// A classifier that is there already keeps its head and the order of its
// classes.
func TestHeadThatIsThere(t *testing.T) {
	c := taskConfig(t, taskCases[slices.IndexFunc(taskCases, func(k taskCase) bool { return k.name == "classes" })])
	s := openTask(t, c)
	dir := filepath.Join(t.TempDir(), "classifier")
	config := strings.Replace(bertConfig("BertForSequenceClassification"), `{`, `{"id2label": {"0": "good", "1": "bad"}, `, 1)
	err := pretrained.Save(func(file string, write func(io.Writer) error) error {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return err
		}
		return writeBytes(filepath.Join(dir, file), b.Bytes())
	}, json.RawMessage(config), s.Base)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"tokenizer.json", "special_tokens_map.json"} {
		if err := writeBytes(filepath.Join(dir, file), readFile(t, filepath.Join(c.Model, file))); err != nil {
			t.Fatal(err)
		}
	}
	c.Model, c.Train.Seed = dir, 77
	again := openTask(t, c)
	if !slices.Equal(again.Labels, []string{"good", "bad"}) {
		t.Errorf("have labels %q", again.Labels)
	}
	for i, p := range again.Base.Params() {
		if q := s.Base.Params()[i]; p.Name != q.Name || !slices.Equal(p.Floats(), q.Floats()) {
			t.Errorf("%s is another", p.Name)
		}
	}
	c.Data.Labels = Names{"bad", "good"}
	if s := openTask(t, c); !slices.Equal(s.Labels, []string{"bad", "good"}) {
		t.Errorf("have labels %q", s.Labels)
	}
}

// Whatever is wrong is one line that says where.
func TestTasksThatCannotBe(t *testing.T) {
	records := dataFile(t, opinions(8)...)
	mixed := textFile(t, "mixed.csv", "text,label\nit is white,good\n,bad\nit is dark,\n")
	for name, c := range map[string]struct {
		model  string
		data   Data
		change func(*Config)
		says   []string
	}{
		"no file":          {"bert", Data{Train: "nowhere.jsonl"}, nil, []string{"data.train", "nowhere.jsonl"}},
		"another kind":     {"bert", Data{Train: textFile(t, "a.json", "[]")}, nil, []string{"data.train", "a.json", ".jsonl, .csv or .parquet"}},
		"a wrong column":   {"bert", Data{Train: records, Label: "lable"}, nil, []string{"data.label", `no column "lable"`, `nearest first: "label"`}},
		"no text":          {"bert", Data{Train: dataFile(t, map[string]any{"txt": "a", "label": 1})}, nil, []string{"data.text", `"txt", "label"`, "looked for text, sentence"}},
		"an unknown label": {"bert", Data{Train: records, Labels: Names{"good", "fair"}}, nil, []string{"data.train", "data.jsonl:", `column "label"`, `is "bad", must be one of good, fair`}},
		"an empty label":   {"bert", Data{Train: mixed, Labels: Names{"good", "bad"}}, nil, []string{"mixed.csv:4", `column "label"`, `is "", must be one of`}},
		"one label":        {"bert", Data{Train: dataFile(t, map[string]any{"text": "a", "label": "x"}, map[string]any{"text": "b", "label": "x"})}, nil, []string{"data.label", "the label x alone"}},
		"no number":        {"bert", Data{Train: records}, func(c *Config) { c.Task = Regression }, []string{"data.jsonl:1", `column "label"`, "must be a finite number"}},
		"a list":           {"bert", Data{Train: records, Text: "topics"}, nil, []string{"data.jsonl:1", `column "topics"`, "is a list, must be text"}},
		"eval's columns":   {"bert", Data{Train: records, Eval: dataFile(t, map[string]any{"text": "a", "lbl": "x"})}, nil, []string{"data.eval", "lbl"}},
		"eval's labels":    {"bert", Data{Train: records, Eval: dataFile(t, map[string]any{"text": "a", "label": "fair"})}, nil, []string{"data.eval", `is "fair"`}},
		"eval's kind":      {"bert", Data{Train: records, Eval: textFile(t, "a.txt", "text")}, nil, []string{"data.eval", "plain text", "a table"}},
		"one record":       {"bert", Data{Train: dataFile(t, map[string]any{"text": "a", "label": "x"}), Labels: Names{"x", "y"}}, nil, []string{"1 example", "data.eval"}},
		"no masked head":   {"bert", Data{Train: records}, func(c *Config) { c.Task = MaskedLM }, []string{"model", "BertModel", `"features"`, "masked-lm"}},
		"a decoder masks":  {"llama", Data{Train: records}, func(c *Config) { c.Task = MaskedLM }, []string{"model", "LlamaForCausalLM", "masked-lm"}},
		"a t5 classifies":  {"t5", Data{Train: records, Label: "label"}, func(c *Config) { c.Task = Classification }, []string{"model", "no classifier"}},
		"a t5 on text":     {"t5", Data{Train: textFile(t, "a.txt", "text")}, nil, []string{"seq2seq needs columns", "plain text"}},
		"images of text":   {"bert", Data{Train: records}, func(c *Config) { c.Task = ImageClassification }, []string{"data.train is a table"}},
		"text of images":   {"vit", Data{Train: imageDir(t, 2)}, func(c *Config) { c.Task = CausalLM }, []string{"data.train is images"}},
		"too many tokens":  {"bert", Data{Train: records}, func(c *Config) { c.Train.Tokens = 65 }, []string{"65 tokens", "max_position_embeddings = 64"}},
		"too few tokens":   {"bert", Data{Train: records, Pair: "second"}, func(c *Config) { c.Train.Tokens = 2 }, []string{"train.tokens is 2"}},
		"targets cut off":  {"llama", Data{Train: records, Text: "prompt", Target: "answer"}, func(c *Config) { c.Train.Tokens = 3 }, []string{"beyond train.tokens = 3"}},
		"empty targets":    {"t5", Data{Train: dataFile(t, map[string]any{"text": "a", "target": ""}, map[string]any{"text": "a", "target": "b"})}, nil, []string{"data.jsonl:1", "empty target"}},
		"a module to save": {"bert", Data{Train: records}, func(c *Config) { c.Save = Names{"clasifier"} }, []string{`"clasifier"`, "classifier"}},
		"a block":          {"bert", Data{Train: records}, func(c *Config) { c.Blocks = Numbers{7} }, []string{"select no linear map"}},
	} {
		t.Run(name, func(t *testing.T) {
			config := taskConfig(t, taskCase{model: c.model, data: func(*testing.T) Data { return c.data }, change: c.change})
			s, err := Open(context.Background(), t.TempDir(), config, tinyPretraining, nil)
			if err == nil {
				_, err = s.Check(config)
			}
			wantOneLine(t, err, c.says...)
		})
	}
	c := taskConfig(t, taskCases[5])
	c.Model = t.TempDir()
	_, err := Open(context.Background(), t.TempDir(), c, tinyPretraining, nil)
	wantOneLine(t, err, "model", "needs config.json and model.safetensors")
}

// What a user reads before training.
func TestFacts(t *testing.T) {
	c := taskConfig(t, taskCases[5])
	c.Train.Tokens = 8
	s := openTask(t, c)
	set, err := s.Check(c)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range s.Facts(set) {
		lines = append(lines, f.Name+": "+f.Text)
	}
	text := strings.Join(lines, "\n")
	for _, want := range []string{"BertModel, ", " parameters", "task: classification, 2 labels: bad, good", "new head: ", "classifier.weight",
		"48 of ", "16 kept aside", `text "text", label "label"`, "8 of train.tokens = 8 in the longest example, ", " truncated",
		"lora on 13 linear maps", "whole: ", "the adapter's file has 0.0"} {
		if !strings.Contains(text, want) {
			t.Errorf("have\n%s\nwant %q in it", text, want)
		}
	}
	_, weights, err := set.Files()
	if err != nil {
		t.Fatal(err)
	}
	if have := fileBytes(set); have > len(weights) || have < len(weights)*3/4 {
		t.Errorf("said %d bytes, the file has %d", have, len(weights))
	}
}

// An adapter on one of two maps that share a tensor changes one of them alone;
// it is said before the training, not first as a refusal to merge.
func TestTiedFact(t *testing.T) {
	for targets, want := range map[string]bool{"lm_head": true, "q": false} {
		c := taskConfig(t, taskCases[10])
		c.Targets = Targets{Names: []string{targets}}
		s := openTask(t, c)
		set, err := s.Check(c)
		if err != nil {
			t.Fatal(err)
		}
		said := false
		for _, f := range s.Facts(set) {
			said = said || f.Name == "tied" && strings.Contains(f.Text, "lm_head and shared are one tensor")
		}
		if said != want {
			t.Errorf("%s: the tie is said: %v, want %v", targets, said, want)
		}
	}
}

// What runs of the same data share does not depend on their method or seed of
// training, but for a new head.
func TestOrderOfExamples(t *testing.T) {
	var o order
	seen := map[int]int{}
	for place := range 20 {
		seen[o.at(10, 1, "data", place)]++
	}
	for i := range 10 {
		if seen[i] != 2 {
			t.Errorf("example %d comes %d times in two passes", i, seen[i])
		}
	}
	var p, q order
	var first, second []int
	for place := range 10 {
		first, second = append(first, p.at(10, 1, "data", place)), append(second, q.at(10, 1, "data", 10+place))
	}
	if slices.Equal(first, second) {
		t.Error("two passes have the same order")
	}
	for place := 9; place >= 0; place-- { // in any order of asking
		if p.at(10, 1, "data", 10+place) != second[place] || p.at(10, 1, "data", place) != first[place] {
			t.Error("the order depends on what was asked before")
		}
	}
}

func TestApart(t *testing.T) {
	x := &examples{}
	for i := range 10 {
		x.add(example{line: i}, false)
	}
	train, held, err := x.apart(0.3)
	if err != nil || len(train) != 7 || len(held) != 3 {
		t.Errorf("have %d and %d, %v", len(train), len(held), err)
	}
	if held[0].line > 3 || held[2].line < 6 {
		t.Errorf("held out are %v", held)
	}
}

// Fifteen in a hundred tokens are hidden, eight in ten of them behind the mask.
func TestHide(t *testing.T) {
	s := &shelf{task: MaskedLM, words: &vocabulary{size: 1000, mask: 4}}
	e := example{}
	for i := range 100_000 {
		e.ids, e.labels = append(e.ids, int32(10+i%50)), append(e.labels, int32(10+i%50))
	}
	e.labels[0] = ignored
	ids, labels := slices.Clone(e.ids), slices.Clone(e.labels)
	n := s.hide(&e, s.random(1, "data", 7), ids, labels)
	if again := s.hide(&e, s.random(1, "data", 7), nil, nil); again != n {
		t.Errorf("counted %d, hid %d", again, n)
	}
	counted, masked, kept := 0, 0, 0
	for i := range ids {
		switch {
		case labels[i] < 0 && ids[i] != e.ids[i]:
			t.Fatalf("token %d is changed and not counted", i)
		case labels[i] < 0:
		default:
			counted++
			if ids[i] == 4 {
				masked++
			} else if ids[i] == e.ids[i] {
				kept++
			}
		}
	}
	near := func(what string, have, want float64) {
		if math.Abs(have-want) > 0.01 {
			t.Errorf("%s: %.3f, want %.3f", what, have, want)
		}
	}
	if counted != n {
		t.Errorf("%d labels, hid %d", counted, n)
	}
	near("hidden", float64(counted)/100_000, 0.15)
	near("behind the mask", float64(masked)/float64(counted), 0.8)
	near("as they are", float64(kept)/float64(counted), 0.1)
}

// The loss counts what follows the prompt, eos among it.
func TestFollow(t *testing.T) {
	f, err := openFolder(modelDir(t, "llama"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := f.vocabulary(32)
	if err != nil {
		t.Fatal(err)
	}
	p, from := w.follow("the light is", " white")
	if before := len(w.whole.Encode("the light is", true).IDs); p.cut || p.ids[0] != 1 || p.ids[len(p.ids)-1] != 2 || from != before {
		t.Errorf("have %v from %d, want from %d", p.ids, from, before)
	}
	table, err := data.ReadTable(dataFile(t, map[string]any{"prompt": "the light is", "target": " white"}))
	if err != nil {
		t.Fatal(err)
	}
	prompt, _ := table.Column("prompt")
	answer, _ := table.Column("target")
	said := &examples{}
	if err := (&encoder{task: CausalLM, words: w}).records(said, table, columns{text: prompt, pair: -1, label: -1, target: answer}); err != nil {
		t.Fatal(err)
	}
	for i, label := range said.list[0].labels {
		counts := i+1 >= from && i+1 < len(p.ids)
		if counts && label != p.ids[i+1] || !counts && label >= 0 {
			t.Errorf("have labels %v of %v, from %d", said.list[0].labels, p.ids, from)
			break
		}
	}
	whole := w.whole.Encode("the light is white", true)
	if !reflect.DeepEqual(p.ids[:len(p.ids)-1], int32s(whole.IDs)) {
		t.Errorf("have %v, want the tokens of the whole text %v", p.ids, whole.IDs)
	}
	n := &encoder{task: CausalLM, words: w}
	x := &examples{}
	n.windows(x, []string{"the light", "is white"})
	ids := append(slices.Clone(x.list[0].ids), x.list[0].labels[len(x.list[0].labels)-1])
	var want []int32
	for _, text := range []string{"the light", "is white"} {
		want = append(append(want, int32s(w.whole.Encode(text, true).IDs)...), 2)
	}
	if len(x.list) != 1 || !slices.Equal(ids, want) || !slices.Equal(x.list[0].labels, want[1:]) {
		t.Errorf("have windows %+v of %v", x.list, want)
	}
}

func TestScore(t *testing.T) {
	s := &score{task: nn.Classification, classifier: true, count: 4}
	s.add([]float32{2, 1, 0, 0, 3, 1, 0, 0, 1, 5, 4, 0}, nn.Labels{Classes: []int32{0, 1, 1, 0}}, 4, 4)
	// said 0 1 2 0, true 0 1 1 0: F1 are 1, 2/3, 0.
	for _, m := range s.measures()[1:] {
		if want := map[string]float64{"accuracy": 0.75, "macro_f1": 5.0 / 9}[m.name]; math.Abs(m.value-want) > 1e-12 {
			t.Errorf("%s is %v, want %v", m.name, m.value, want)
		}
	}
	r := &score{task: nn.Regression, classifier: true, count: 3, loss: 3}
	r.add([]float32{1, 2, 4, 9}, nn.Labels{Values: []float32{2, 4, 8, 0}}, 4, 3)
	if m := r.measures(); m[1] != (measure{"mse", 1}) || math.Abs(m[2].value-1) > 1e-12 {
		t.Errorf("have %v", m)
	}
	l := &score{task: nn.MultiLabel, classifier: true, count: 1}
	l.add([]float32{1, -1, 1, 1}, nn.Labels{Values: []float32{1, 0, 0, 1}}, 2, 2)
	if m := l.measures(); m[1].value != 0.5 || math.Abs(m[2].value-(2.0/3+1)/2) > 1e-12 {
		t.Errorf("have %v", m)
	}
}
