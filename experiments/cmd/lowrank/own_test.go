package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/nn/llama"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// ownWorkplace is a folder with a tiny decoder, its tokenizer and reviews, and
// a configuration own.yaml that classifies them.
func ownWorkplace(t *testing.T) (dir string, file func(name, text string) string) {
	t.Helper()
	dir, file = workplace(t)
	writeDecoder(t, filepath.Join(dir, "own"), llama.Config{
		HiddenSize: 32, IntermediateSize: 48, NumHiddenLayers: 1, NumAttentionHeads: 2, NumKeyValueHeads: 1, HeadDim: 16,
		RMSNormEps: 1e-5, RopeTheta: 10000, VocabSize: 2000, MaxPositionEmbeddings: 16,
	})
	reviews := ""
	for i := range 40 {
		reviews += fmt.Sprintf("{\"sentence\": \"it is %s\", \"label\": %d}\n", []string{"dark", "white"}[i%2], i%2)
	}
	file("reviews.jsonl", reviews)
	file("own.yaml", ownConfig(dir, "label: label", ""))
	return dir, file
}

// writeDecoder writes a random model of that shape, with a tokenizer, into a folder.
func writeDecoder(t *testing.T, dir string, c llama.Config) {
	t.Helper()
	model, err := llama.New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	err = pretrained.Save(func(name string, write func(io.Writer) error) error {
		return record.WriteFile(filepath.Join(dir, name), write)
	}, c, model)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("../../../nn/tokenizer/testdata/llama2.tokenizer.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "tokenizer.json"), b, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func ownConfig(dir, data, lines string) string {
	return "version: 1\nmodel: '" + dir + "/own'\ndata: {train: '" + dir + "/reviews.jsonl', " + data + "}\n" +
		"rank: 4\ntrain: {steps: 30, batch: 4, tokens: 8, lr: 2e-2}\n" + lines
}

// A model on the user's own data, from what is printed before to its report.
func TestRunOnOwnData(t *testing.T) {
	dir, file := ownWorkplace(t)
	out := filepath.Join(dir, "out")
	code, text, errs := command(t, "run", dir+"/own.yaml", "-o", out)
	if code != exitOK {
		t.Fatalf("ends with %d: %q", code, errs)
	}
	for _, want := range []string{"LlamaForCausalLM", "classification, 2 labels: 0, 1", "new head", "score.weight", "36 of ", "4 kept aside",
		`text "sentence", label "label"`, "0 truncated", "lora on 7 linear maps", "trained", " MB\n", "step 30 of 30, loss ", "accuracy 1.0000"} {
		if !strings.Contains(text, want) {
			t.Errorf("says\n%s\nwant %q in it", text, want)
		}
	}
	run := filepath.Join(out, "runs", "own")
	for _, name := range []string{"adapter/adapter_config.json", "adapter/adapter_model.safetensors", "labels.json", "run.json"} {
		if _, err := os.Stat(filepath.Join(run, name)); err != nil {
			t.Error(err)
		}
	}
	if code, text, _ := command(t, "run", dir+"/own.yaml", "-o", out, "--again"); code != exitOK || !strings.Contains(text, "equal bit for bit") {
		t.Errorf("--again ends with %d: %q", code, text)
	}
	if code, text, _ := command(t, "resume", run); code != exitOK || !strings.Contains(text, "accuracy 1.0000") {
		t.Errorf("resume ends with %d: %q", code, text)
	}
	if code, text, errs := command(t, "report", out); code != exitOK || !strings.Contains(text, "2 runs") {
		t.Errorf("report ends with %d: %q %q", code, text, errs)
	}
	if code, table, _ := command(t, "targets", dir+"/own.yaml"); code != exitOK || !strings.Contains(table, "7 maps") {
		t.Errorf("targets ends with %d: %q", code, table)
	}
	file("reviews.jsonl", "{\"sentence\": \"a\", \"label\": 1}\n{\"sentence\": \"b\", \"label\": 0}\n")
	if code, _, errs := command(t, "resume", run); code != exitUsage || !strings.Contains(errs, "other texts") {
		t.Errorf("on other data: ends with %d: %q", code, errs)
	}
}

func TestWrongOwnData(t *testing.T) {
	dir, file := ownWorkplace(t)
	file("torn.jsonl", "{\"sentence\": \"a\", \"label\": 1}\n{\"sentence\": \"a\"\n")
	file("no/config.json", "{}")
	for name, c := range map[string]struct {
		config string
		says   []string
	}{
		"column":    {ownConfig(dir, "label: lable", ""), []string{"data.label", `no column "lable"`, `nearest first: "label"`}},
		"label":     {ownConfig(dir, "labels: ['0']", ""), []string{"data.train", "reviews.jsonl:2", `is "1", must be one of 0`}},
		"path":      {ownConfig(dir, "eval: nowhere.csv", ""), []string{"data.eval", "nowhere.csv"}},
		"line":      {strings.Replace(ownConfig(dir, "label: label", ""), "reviews", "torn", 1), []string{"data.train", "torn.jsonl:2: is not JSON"}},
		"model":     {strings.Replace(ownConfig(dir, "label: label", ""), "/own'", "/nowhere'", 1), []string{"model", "nowhere", "config.json and model.safetensors"}},
		"type":      {strings.Replace(ownConfig(dir, "label: label", ""), "/own'", "/no'", 1), []string{"model_type", "llama"}},
		"tokenizer": {strings.Replace(ownConfig(dir, "label: label", ""), "/own'", "/base'", 1), []string{"model", "needs tokenizer.json"}},
		"task":      {ownConfig(dir, "label: label", "task: masked-lm\n"), []string{"LlamaForCausalLM", "masked-lm needs another"}},
		"tokens":    {strings.Replace(ownConfig(dir, "label: label", ""), "tokens: 8", "tokens: 17", 1), []string{"17 tokens", "max_position_embeddings = 16"}},
		"save":      {ownConfig(dir, "label: label", "save: lm_hed\n"), []string{`"lm_hed"`, "nearest first"}},
		"exclude":   {ownConfig(dir, "label: label", "exclude: q_porj\n"), []string{`"q_porj"`, "q_proj"}},
	} {
		path := file(name+".yaml", c.config)
		code, _, errs := command(t, "run", path, "-o", dir+"/out")
		if code != exitUsage {
			t.Errorf("%s: ends with %d, want %d", name, code, exitUsage)
		}
		for _, text := range c.says {
			if !strings.Contains(errs, text) {
				t.Errorf("%s: says %q, want %q in it", name, errs, text)
			}
		}
	}
	if runs, err := os.ReadDir(filepath.Join(dir, "out", "runs")); err == nil {
		t.Errorf("wrong usage has left runs: %v", runs)
	}
}
