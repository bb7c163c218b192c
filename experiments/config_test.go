package experiments

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
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

// Each refusal is the whole line, so that what a person reads is reviewed here.
func TestParseConfigErrors(t *testing.T) {
	deep := strings.Repeat("[", 100_000)
	for _, c := range []struct{ text, want string }{
		// keys
		{"version: 1\ntrain:\n  lrr: 1", "run.yaml:3:3: train.lrr: unknown key; did you mean train.lr?"},
		{"version: 1\ntrain: {steps: 5, Batch: 1}", "run.yaml:2:19: train.Batch: unknown key; did you mean train.batch?"},
		{"version: 1\nlr: 1", "run.yaml:2:1: lr: unknown key; did you mean train.lr?"},
		{"version: 1\nmethods: lora", "run.yaml:2:1: methods: unknown key; did you mean method?"},
		{"version: 1\nmethod: {initial: pissa}", "run.yaml:2:10: method.initial: unknown key; did you mean method.init?"},
		{"version: 1\nprobe: {zebra: 1}", "run.yaml:2:9: probe.zebra: unknown key; the keys here are tier0, tier1, tier2, tier3, every"},
		{"version: 1\nrank: 4\nrank: 8", `run.yaml:3:1: mapping key "rank" already defined at [2:1]`},
		{"version: 1\n[a]: 1", "run.yaml:2:4: found an invalid key for this map"},
		{"version: 1\n? a\n: b", "run.yaml:2:1: a key is written key: value, not with ?"},
		// version
		{"rank: 8", "run.yaml:1:1: version: is missing, want version: 1"},
		{"version: 2\nnew_key: 1", "run.yaml:1:10: version: is 2, this lowrank reads version 1"},
		{"version: one", "run.yaml:1:10: version: is one, must be a whole number, in digits"},
		// whole numbers
		{"version: 1\nrank: 8.5", "run.yaml:2:7: rank: is 8.5, must be a whole number, in digits"},
		{"version: 1\nrank: 8.0", "run.yaml:2:7: rank: is 8.0, must be a whole number, in digits"},
		{"version: 1\nrank: 1e3", "run.yaml:2:7: rank: is 1e3, must be a whole number, in digits"},
		{"version: 1\nrank: 0x10", "run.yaml:2:7: rank: is 0x10, must be a whole number, in digits"},
		{"version: 1\nrank: 1_000", "run.yaml:2:7: rank: is 1_000, must be a whole number, in digits"},
		{"version: 1\nrank: \"8\"", "run.yaml:2:7: rank: is the text 8, must be a whole number, in digits"},
		{"version: 1\nrank: true", "run.yaml:2:7: rank: is true, must be a whole number, in digits"},
		{"version: 1\nrank: 99999999999999999999", "run.yaml:2:7: rank: 99999999999999999999 is too large"},
		{"version: 1\nrank: [8]", "run.yaml:2:7: rank: is a list, must be a whole number, in digits"},
		{"version: 1\nrank:", "run.yaml:2:7: rank: is without a value, must be a whole number, in digits"},
		{"version: 1\nrank: ~", "run.yaml:2:7: rank: is without a value, must be a whole number, in digits"},
		{"version: 1\nrank: 0", "run.yaml:2:7: rank: is 0, must be from 1 to 65536"},
		{"version: 1\nrank: -3", "run.yaml:2:7: rank: is -3, must be from 1 to 65536"},
		{"version: 1\ntrain: {seed: -1}", "run.yaml:2:15: train.seed: is -1, must be a whole number of at least 0, in digits"},
		// numbers
		{"version: 1\ntrain: {lr: .nan}", "run.yaml:2:13: train.lr: is .nan, must be a finite number, as 0.001 or 1e-3"},
		{"version: 1\ntrain: {lr: nan}", "run.yaml:2:13: train.lr: is nan, must be a finite number, as 0.001 or 1e-3"},
		{"version: 1\ntrain: {lr: .inf}", "run.yaml:2:13: train.lr: is .inf, must be a finite number, as 0.001 or 1e-3"},
		{"version: 1\ntrain: {lr: Infinity}", "run.yaml:2:13: train.lr: is Infinity, must be a finite number, as 0.001 or 1e-3"},
		{"version: 1\ntrain: {lr: 1e999}", "run.yaml:2:13: train.lr: 1e999 is too large"},
		{"version: 1\ntrain: {lr: -1e-3}", "run.yaml:2:13: train.lr: is -0.001, must be more than 0 and at most 1e+06"},
		{"version: 1\ntrain: {lr: 0}", "run.yaml:2:13: train.lr: is 0, must be more than 0 and at most 1e+06"},
		{"version: 1\ndata: {held_out: 1}", "run.yaml:2:18: data.held_out: is 1, must be between 0 and 1"},
		{"version: 1\ntrain: {clip: -1}", "run.yaml:2:15: train.clip: is -1, must be a finite number of at least 0"},
		{"version: 1\ntrain: {batch: 100000}", "run.yaml:2:16: train.batch: 100000 sequences of 64 tokens are 6400000 in one pass, must be at most 1048576; accumulate takes several passes a step"},
		// text
		{"version: 1\ntrain: {schedule: cos}", `run.yaml:2:19: train.schedule: is "cos", must be constant, linear or cosine`},
		{"version: 1\nname: ../../etc", `run.yaml:2:7: name: is "../../etc", must be at most 100 letters, digits and _ . + - that do not start with . + or -`},
		{"version: 1\nname: |\n  a\n  b", "run.yaml:2:7: name: is text of several lines, must be text of one line"},
		{"version: 1\nbase: {dir: \"a\\nb\"}", `run.yaml:2:13: base.dir: is "a\nb", must be text of one line`},
		{"version: 1\nbase: [nf4]", "run.yaml:2:7: base: is a list, must be keys with values"},
		{"version: 1\nbase:", "run.yaml:2:7: base: is without a value, must be keys with values"},
		// method and targets
		{"version: 1\nmethod: {}", "run.yaml:2:9: method: must be the name of a method, or name at least one of the parts delta, init, update, rank, router"},
		{"version: 1\nmethod: ''", "run.yaml:2:9: method: must be the name of a method, or name at least one of the parts delta, init, update, rank, router"},
		{"version: 1\nmethod: [pissa]", "run.yaml:2:9: method: is a list, must be keys with values"},
		{"version: 1\nmethod: {init: {pissa: {iterations: four}}}", "run.yaml:2:37: method.init.pissa.iterations: is four, must be a finite number, as 0.001 or 1e-3"},
		{"version: 1\nmethod: {init: {pissa: {}, milora: {}}}", "run.yaml:2:16: method.init: has 2 methods, must be one, as {pissa: {iterations: 4}}"},
		{"version: 1\nmethod: {init: {pissa: 4}}", "run.yaml:2:24: method.init.pissa: is 4, must be keys with values"},
		{"version: 1\nmethod: {init: {'': {a: 1}}}", "run.yaml:2:16: method.init: has numbers but does not say of which method"},
		{"version: 1\ntargets: []", "run.yaml:2:10: targets: must be all-linear, a name, a list of names, or {regex: '…'}"},
		{"version: 1\ntargets: [q_proj, {a: b}]", "run.yaml:2:19: targets[1]: is keys with values, must be text of one line"},
		{"version: 1\ntargets: {regex: '('}", "run.yaml:2:18: targets.regex: \"(\": error parsing regexp: missing closing ): `(`"},
		{"version: 1\nprobe: {tier1: -3}", "run.yaml:2:16: probe.tier1: is -3, must be from 0 to 1e+09, or checkpoints"},
		{"version: 1\nprobe: {tier1: often}", "run.yaml:2:16: probe.tier1: is often, must be a whole number, in digits"},
		{"version: 1\nprobe: {tier1: \"5\"}", "run.yaml:2:16: probe.tier1: is the text 5, must be a number of steps, 0 for never, or checkpoints"},
		{"version: 1\nprobe: {tier4: 5}", "run.yaml:2:9: probe.tier4: unknown key; did you mean probe.tier0?"},
		{"version: 1\nprobe: {every: 5, tier1: 5}", "run.yaml:2:16: probe.every: stands beside probe.tier1: must be one; the tiers are the keys"},
		{"version: 1\nprobe: {every: -5}", "run.yaml:2:16: probe.every: is -5, must be from 0 to 1e+09"},
		// the file as a whole
		{"", "run.yaml: is empty, want a configuration that starts with version: 1"},
		{"# nothing\n\n", "run.yaml: is empty, want a configuration that starts with version: 1"},
		{"hello", "run.yaml:1:1: is hello, must be keys with values, as version: 1"},
		{"- version: 1", "run.yaml:1:1: is a list, must be keys with values, as version: 1"},
		{"version: 1\n---\nversion: 1", "run.yaml:2:1: a second document; a file holds one configuration"},
		{"version: 1\n...\nrank: 4", "run.yaml:3:1: a second document; a file holds one configuration"},
		{"%YAML 1.1\n---\nversion: 1", "run.yaml:1:1: directives (%) are not read"},
		{"version: &v 1\nrank: *v", "run.yaml:1:10: anchors (&) and aliases (*) are not read; quote the text if it is one"},
		{"version: 1\nname: *v", "run.yaml:2:7: anchors (&) and aliases (*) are not read; quote the text if it is one"},
		{"version: 1\n<<: {rank: 4}", "run.yaml:2:1: merge keys (<<) are not read"},
		{"version: !!int 1", "run.yaml:1:10: tags (!) are not read; quote the text if it is one"},
		{"version: 1\ntrain:\n\tlr: 1", "run.yaml:3:1: tab in the indentation; YAML wants spaces"},
		{"version: 1\ntrain:\n  \tlr: 1", "run.yaml:3:3: tab in the indentation; YAML wants spaces"},
		{"version: 1\nname: a\xffb", "run.yaml:2:8: byte 0xff is not UTF-8"},
		{"PK\x03\x04\x00", "run.yaml:1:3: control character U+0003"},
		{"version: 1\rrank: 2", "run.yaml:1:11: control character U+000D"},
		{"version: 1\n rank: 2", "run.yaml:1:10: mapping value is not allowed in this context"},
		{"version: 1\ntrain: {lr: 1", "run.yaml:2:8: could not find flow mapping end token '}'"},
		{"version: 1\nname: @x", "run.yaml:2:7: '@' is a reserved character"},
		{deep, "run.yaml:1:65: nested more than 64 deep"},
		{strings.Repeat("{a: ", 50_000), "run.yaml:1:257: nested more than 64 deep"},
		{strings.Repeat("- ", 100_000), "run.yaml:1:129: nested more than 64 deep"},
		{stairs(100), "run.yaml:65:65: nested more than 64 deep"},
		{"a: " + strings.Repeat("[],\n", 30_000), "run.yaml: has more than 20000 words and marks: not a configuration"},
		{"version: 1\nrank: " + strings.Repeat("9", 500), "run.yaml:2:7: rank: " + strings.Repeat("9", 60) + "… is too large"},
	} {
		_, err := ParseConfig("run.yaml", []byte(c.text))
		if err == nil {
			t.Errorf("%.60q: no error, want %q", c.text, c.want)
		} else if err.Error() != c.want {
			t.Errorf("%.60q:\nhave %s\nwant %s", c.text, err, c.want)
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

// stairs is a map in a map in a map.
func stairs(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%sa:\n", strings.Repeat(" ", i))
	}
	return b.String()
}

// Every mark of YAML, repeated up to the largest file that is read, is answered
// with an error in bounded memory.
func TestParseConfigMemory(t *testing.T) {
	for _, unit := range []string{
		"[", "{", "- ", "-\n", "? ", ": ", "a: ", "a: {", "[a, ", "'", "\"", "\"\\", "&a ", "*a ", "!t ", "@", "`", "%",
		"|\n", ">\n", "a: |\n", "a\n", "a: b\n", "[]\n", "---\n", "...\n", "# c\n", "#", ", ", " ", "\n", "\\", "é", "0", "a",
	} {
		data := []byte(strings.Repeat(unit, maxConfigBytes/len(unit)))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ParseConfig("run.yaml", data)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%q repeated: no error", unit)
		} else if strings.ContainsRune(err.Error(), '\n') || len(err.Error()) > 200 {
			t.Errorf("%q repeated: the error is not a short line: %.300q", unit, err)
		}
		// 256 Ki tokens of 250 bytes each, at worst.
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 80<<20 {
			t.Errorf("%q repeated: %d MiB allocated", unit, allocated>>20)
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

// What is not read from a file is validated too.
func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"train.lr: is NaN, must be more than 0 and at most 1e+06":    func(c *Config) { c.Train.LR = math.NaN() },
		"train.clip: is +Inf, must be a finite number of at least 0": func(c *Config) { c.Train.Clip = math.Inf(1) },
		"version: is 0, must be 1":                                   func(c *Config) { c.Version = 0 },
		"method.init: iterations is NaN, must be finite":             func(c *Config) { c.Method = Method{Init: Part{"pissa", map[string]float64{"iterations": math.NaN()}}} },
		"targets: name 2 is empty":                                   func(c *Config) { c.Targets = Targets{Names: []string{"q", ""}} },
	} {
		c := DefaultConfig()
		change(c)
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("have %v, want %s", err, want)
		}
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
