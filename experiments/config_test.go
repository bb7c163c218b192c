package experiments

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const fullConfig = `# every key, none at its default

version: 1
name: my-run
model: models/small
task: auto
data:
  base_text: a.txt
  adapt_text: "b c.txt"
  max_bytes: 5000
  held_out: 0.25
method: {delta: dora, init: {pissa: {iterations: 4, scale: -1.5}}, update: lora-pro, rank: adalora, router: none}
rank: 4
alpha: 1.6e1
targets: {regex: 'layers\.[01]\..*_proj'}
train: {steps: 7, batch: 2, tokens: 16, accumulate: 3, lr: 2e-4, schedule: linear, warmup: 0, min_lr: 0.5, clip: 0, weight_decay: 0.01, seed: 18446744073709551615}
eval: {every: 0, batches: 3}
probe:
  tier0: 2
  tier1: 20
  tier2: 0
  tier3: checkpoints
checkpoint: {every: 5}
`

func TestParseConfigReadsEveryKey(t *testing.T) {
	got, err := ParseConfig("full.yaml", []byte(fullConfig))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Version: 1, Name: "my-run",
		Model: "models/small", Task: "auto",
		Data: Data{BaseText: "a.txt", AdaptText: "b c.txt", MaxBytes: 5000, HeldOut: 0.25},
		Method: Method{
			Delta:  Part{Row: "dora"},
			Init:   Part{Row: "pissa", Options: map[string]float64{"iterations": 4, "scale": -1.5}},
			Update: Part{Row: "lora-pro"}, Rank: Part{Row: "adalora"}, Router: Part{Row: "none"},
		},
		Rank: 4, Alpha: 16,
		Targets: Targets{Regex: `layers\.[01]\..*_proj`},
		Train: Train{Steps: 7, Batch: 2, Tokens: 16, Accumulate: 3, LR: 2e-4, Schedule: "linear",
			MinLR: 0.5, WeightDecay: 0.01, Seed: math.MaxUint64},
		Eval: Eval{Batches: 3}, Probe: Probe{Tier0: 2, Tier1: 20, Tier3: AtCheckpoints}, Checkpoint: Checkpoint{Every: 5},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("have\n%+v, want\n%+v", got, want)
	}
}

func TestParseConfigDefaults(t *testing.T) {
	got, err := ParseConfig("short.yaml", []byte("version: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, DefaultConfig()) {
		t.Errorf("have %+v, want the default", got)
	}
}

func TestMethodAndTargetsSpellings(t *testing.T) {
	for text, want := range map[string]Method{
		"method: pissa":         {Name: "pissa"},
		"method: 'rs lora'":     {Name: "rs lora"},
		"method: {init: pissa}": {Init: Part{Row: "pissa"}},
		"method:\n  update:\n    lora-plus: {ratio: 16}": {Update: Part{Row: "lora-plus", Options: map[string]float64{"ratio": 16}}},
	} {
		c, err := ParseConfig("m.yaml", []byte("version: 1\n"+text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if !reflect.DeepEqual(c.Method, want) {
			t.Errorf("%q: have %+v, want %+v", text, c.Method, want)
		}
	}
	for text, want := range map[string]Targets{
		"targets: all-linear":         {AllLinear: true},
		"targets: q_proj":             {Names: []string{"q_proj"}},
		"targets: [q_proj, v_proj]":   {Names: []string{"q_proj", "v_proj"}},
		"targets:\n- q_proj\n- 0.mlp": {Names: []string{"q_proj", "0.mlp"}},
		"targets: {regex: '.*q'}":     {Regex: ".*q"},
	} {
		c, err := ParseConfig("t.yaml", []byte("version: 1\n"+text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if !reflect.DeepEqual(c.Targets, want) {
			t.Errorf("%q: have %+v, want %+v", text, c.Targets, want)
		}
	}
}

// Keys of examples of the user's own, and the places that keys had before.
func TestConfigOfExamples(t *testing.T) {
	got, err := ParseConfig("own.yaml", []byte(`version: 1
model: models/bert
task: classification
data: {train: a.csv, eval: b.csv, text: t, pair: p, label: l, target: a, labels: [no, "yes", 3]}
exclude: [q_proj]
blocks: [0, 2]
save: classifier
bias: lora_only
`))
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.Model, want.Task = "models/bert", Classification
	want.Data.Train, want.Data.Eval, want.Data.Text, want.Data.Pair, want.Data.Label, want.Data.Target = "a.csv", "b.csv", "t", "p", "l", "a"
	want.Data.Labels, want.Exclude, want.Blocks, want.Save, want.Bias = Names{"no", "yes", "3"}, Names{"q_proj"}, Numbers{0, 2}, Names{"classifier"}, "lora_only"
	want.Eval.Batches = 0 // all
	if !reflect.DeepEqual(got, want) {
		t.Errorf("have\n%+v, want\n%+v", got, want)
	}
	text, err := got.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseConfig("again.yaml", text); err != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("have %+v, %v, from\n%s", again, err, text)
	}
	old, err := ParseConfig("old.yaml", []byte("version: 1\nbase: {dir: models/old}\neval: {batches: 3}\n"))
	if err != nil || old.Model != "models/old" || old.Base != (Base{}) || old.Eval.Batches != 3 {
		t.Errorf("have %+v, %v", old, err)
	}
	kept, err := ParseConfig("kept.yaml", []byte("version: 1\nmodel: b\nbase: nf4\ncheckpoint: true\n"))
	if err != nil || kept.Base != (Base{Format: "nf4"}) || kept.Checkpoint != (Checkpoint{Every: 100, Blocks: true}) {
		t.Errorf("have %+v, %v", kept, err)
	}
	text, err = kept.YAML()
	if again, err2 := ParseConfig("again.yaml", text); errors.Join(err, err2) != nil || !reflect.DeepEqual(again, kept) {
		t.Errorf("have %+v, %v, from\n%s", again, err2, text)
	}
	for text, want := range map[string]string{
		"base: int4":               `run.yaml:2:7: base: is "int4", must be one of float32, bf16, f16, int8, nf4`,
		"checkpoint: yes":          `run.yaml:2:13: checkpoint: is yes, must be true or false`,
		"base: {dir: a}\nmodel: b": `run.yaml:2:13: base.dir: is "a", and model is "b": must be one; model is the key`,
		"data: {train: a.csv}":     "run.yaml:2:15: data.train: needs model: the study's own model has no tokenizer",
		"model: b\ndata: {train: a.csv, adapt_text: x}": "run.yaml:3:34: data.adapt_text: is the study's; with data.train there is no other text",
		"model: b\ndata: {label: x}":                    "run.yaml:3:15: data.label: needs data.train",
		"train: {group_by_length: true}":                "run.yaml:2:26: train.group_by_length: needs data.train: the texts of the study are cut into windows of one length",
		"model: b\ndata: {labels: [x]}":                 "run.yaml:3:16: data.labels: needs data.train",
		"task: causal-lm":                               "run.yaml:2:7: task: needs data.train: the texts of the study are for the task of its own model",
		"task: regresion":                               `run.yaml:2:7: task: is "regresion", must be auto or one of causal-lm, masked-lm, classification, regression, multi-label, seq2seq, image-classification`,
		"bias: some":                                    `run.yaml:2:7: bias: is "some", must be none, all or lora_only`,
		"blocks: [-1]":                                  "run.yaml:2:10: blocks[0]: is -1, must be at least 0",
		"blocks: [a]":                                   "run.yaml:2:10: blocks[0]: is a, must be a whole number, in digits",
		"save: [a, a]":                                  "run.yaml:2:7: save: name 2 is empty or stands there twice",
		"eval: {batches: 0}":                            "run.yaml:2:17: eval.batches: is 0, must be from 1 to 1e+06",
		"data: {lable: x}":                              "run.yaml:2:8: data.lable: unknown key; did you mean data.label?",
		"model: b\ndata: {train: a.csv}\neval: {batches: -1}": "run.yaml:4:17: eval.batches: is -1, must be from 0 to 1e+06",
		"model: b\ndata: {train: a.csv, labels: {a: b}}":      "run.yaml:3:30: data.labels: is keys with values, must be text of one line",
		"model: b\ndata: {train: a.csv, labels: [a, [b]]}":    "run.yaml:3:34: data.labels[1]: is a list, must be text of one line",
	} {
		if _, err := ParseConfig("run.yaml", []byte("version: 1\n"+text)); err == nil || err.Error() != want {
			t.Errorf("%q:\nhave %v\nwant %s", text, err, want)
		}
	}
}

// What is written is read back as the same value: as YAML, as JSON, and as JSON
// by the reader of YAML.
func TestConfigRoundTrips(t *testing.T) {
	full, err := ParseConfig("full.yaml", []byte(fullConfig))
	if err != nil {
		t.Fatal(err)
	}
	odd := DefaultConfig()
	odd.Name, odd.Model, odd.Data.BaseText = "2024", `C:\models: "x" #1`, "null"
	odd.Method = Method{Init: Part{Row: "true"}, Router: Part{Row: "1e3"}}
	odd.Targets = Targets{Names: []string{"~", "0.1", "a, b", "été", "[x]", "- y", "'"}}
	odd.Train.LR, odd.Train.Clip, odd.Data.MaxBytes = 1e-20, 1.0000000000000002, 1<<40
	for _, c := range []*Config{DefaultConfig(), full, odd} {
		asYAML, err := c.YAML()
		if err != nil {
			t.Fatal(err)
		}
		asJSON, err := json.MarshalIndent(c, "\t", "\t")
		if err != nil {
			t.Fatal(err)
		}
		var compact Config
		if err := json.Unmarshal(asJSON, &compact); err != nil {
			t.Fatalf("%v\n%s", err, asJSON)
		}
		fromYAML, err := ParseConfig("written.yaml", asYAML)
		if err != nil {
			t.Fatalf("%v\n%s", err, asYAML)
		}
		if !reflect.DeepEqual(fromYAML, c) || !reflect.DeepEqual(&compact, c) {
			t.Errorf("have\n%+v from YAML,\n%+v from JSON, want\n%+v", fromYAML, &compact, c)
		}
	}
}

// The one interval that there was is that of tiers 0 and 1, and a configuration
// that is written reads as it was.
func TestProbeIntervals(t *testing.T) {
	for text, want := range map[string]Probe{
		"version: 1":                                        {1, 10, 100, AtCheckpoints, 0},
		"version: 1\nprobe: {every: 25}":                    {25, 25, 0, 0, 0},
		"version: 1\nprobe: {every: 0}":                     {},
		"version: 1\nprobe: {tier1: 7, tier3: 0}":           {1, 7, 100, 0, 0},
		"version: 1\nprobe: {tier0: checkpoints, tier3: 5}": {AtCheckpoints, 10, 100, 5, 0},
	} {
		c, err := ParseConfig("run.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if c.Probe != want {
			t.Errorf("%q: have %+v, want %+v", text, c.Probe, want)
		}
		yaml, err := c.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseConfig("again.yaml", yaml)
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("%q: written and read again it is %+v, %v", text, again, err)
		}
	}
	for _, c := range []struct {
		every Interval
		steps []int
	}{{0, nil}, {1, []int{0, 1, 2, 3, 4, 5, 6, 7}}, {3, []int{0, 1, 3, 6, 7}}, {AtCheckpoints, []int{2, 4, 6, 7}}} {
		var due []int
		for step := range 8 {
			if c.every.due(step, 7, 2) {
				due = append(due, step)
			}
		}
		if !slices.Equal(due, c.steps) {
			t.Errorf("every %v: due at %v, want %v", c.every, due, c.steps)
		}
	}
}

func TestReadConfig(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "run.yaml")
	write := func(data string) {
		if err := os.WriteFile(path, []byte(data), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("\ufeffversion: 1\r\nrank: 3\r\n") // as Windows writes
	if c, err := ReadConfig(path); err != nil || c.Rank != 3 {
		t.Errorf("have %v, %v, want rank 3", c, err)
	}
	write(strings.Repeat("#\n", 1<<17) + "#")
	if _, err := ReadConfig(path); err == nil || err.Error() != path+": is larger than 262144 bytes: not a configuration" {
		t.Errorf("large file: have %v", err)
	}
	if _, err := ReadConfig(dir); err == nil || err.Error() != dir+": is a folder, want a file" {
		t.Errorf("folder: have %v", err)
	}
	if _, err := ReadConfig(filepath.Join(dir, "none.yaml")); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("missing file: have %v", err)
	}
}

// Whatever the text, a configuration comes back that is valid and survives
// being written, or an error of one line.
func FuzzParseConfig(f *testing.F) {
	for _, s := range []string{fullConfig, "version: 1\n", "version: 1\ntargets: [a, b]\nmethod: {init: {x: {y: 1}}}\n", "{\"version\":1}", "version: 1\nmodel: a\ndata: {train: a.csv, labels: [a]}\nblocks: 1\nsave: [x]\nbias: all\n", "version: 1\nbase: {dir: a}\n", "a: &b [*b]", "- - ? |\n", "'\"\\x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig("f.yaml", data)
		if err != nil {
			if s := err.Error(); strings.ContainsRune(s, '\n') || !strings.HasPrefix(s, "f.yaml") {
				t.Errorf("the error is not one line about the file: %q", s)
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		text, err := c.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseConfig("again.yaml", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		a, _ := json.Marshal(c)
		b, _ := json.Marshal(again)
		if string(a) != string(b) {
			t.Errorf("have %s, want %s, from\n%s", b, a, text)
		}
	})
}

func ExampleParseConfig() {
	_, err := ParseConfig("run.yaml", []byte("version: 1\ntrain:\n  lrr: 1e-3\n"))
	fmt.Println(err)
	// Output: run.yaml:3:3: train.lrr: unknown key; did you mean train.lr?
}
