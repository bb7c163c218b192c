package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/experiments"
	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn/llama"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// The test binary is the command itself when it is asked to be.
func TestMain(m *testing.M) {
	if os.Getenv("LOWRANK_TEST_IS_COMMAND") != "" {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// command runs a command line and returns what it wrote. Whatever it was
// asked, it has one line to say about what is wrong.
func command(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(context.Background(), args, &o, &e)
	wantTidy(t, args, code, o.String(), e.String())
	return code, o.String(), e.String()
}

func wantTidy(t *testing.T, args []string, code int, out, errs string) {
	t.Helper()
	for _, bad := range []string{"internal error", "goroutine ", "panic", "runtime error"} {
		if strings.Contains(out+errs, bad) {
			t.Errorf("%q says %q", args, bad)
		}
	}
	if (code == 0) != (errs == "") || strings.Count(errs, "\n") > 1 || errs != "" && !strings.HasPrefix(errs, "lowrank: ") {
		t.Errorf("%q ends with %d and says %q, want one line from lowrank exactly when it fails", args, code, errs)
	}
}

// workplace is a folder with texts, a tiny base model, and a configuration
// run.yaml of three steps on them.
func workplace(t *testing.T) (dir string, file func(name, text string) string) {
	t.Helper()
	dir = t.TempDir()
	file = func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	model, err := llama.New(llama.Config{
		HiddenSize: 32, IntermediateSize: 48, NumHiddenLayers: 1, NumAttentionHeads: 2, NumKeyValueHeads: 1, HeadDim: 16,
		RMSNormEps: 1e-5, RopeTheta: 10000, VocabSize: 256, MaxPositionEmbeddings: 16, TieWordEmbeddings: true,
	}, 1)
	if err != nil {
		t.Fatal(err)
	}
	err = pretrained.Save(func(name string, write func(io.Writer) error) error {
		return record.WriteFile(filepath.Join(dir, "base", name), write)
	}, model.Config, model)
	if err != nil {
		t.Fatal(err)
	}
	file("text", strings.Repeat("a ray of light falls upon the glass. ", 300))
	file("run.yaml", config(dir, ""))
	return dir, file
}

// config is a configuration in which lines replace those of the same key.
func config(dir, lines string) string {
	text := "version: 1\n"
	for _, line := range []string{
		"base: {dir: '" + dir + "/base'}",
		"data: {base_text: '" + dir + "/text', adapt_text: '" + dir + "/text'}",
		"rank: 4",
		"train: {steps: 3, batch: 2, tokens: 16}",
		"eval: {every: 0, batches: 1}",
	} {
		key, _, _ := strings.Cut(line, ":")
		if !strings.Contains("\n"+lines, "\n"+key+":") {
			text += line + "\n"
		}
	}
	return text + lines
}

func TestWrongUsage(t *testing.T) {
	dir, file := workplace(t)
	empty, tiny := file("empty", ""), file("tiny", "abc")
	out := filepath.Join(dir, "out")
	yaml := func(name, lines string) string { return file(name+".yaml", config(dir, lines)) }
	other := filepath.Join(dir, "runs", "other")
	if err := os.MkdirAll(other, 0o777); err != nil {
		t.Fatal(err)
	}
	file("runs/other/run.json", `{"format": 99}`)
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"studdy"}, []string{`unknown command "studdy"`, "did you mean study?"}},
		{[]string{"xyzzy"}, []string{`unknown command "xyzzy"`, "--help"}},
		{[]string{"--nosuch"}, []string{"unknown flag: --nosuch"}},
		{[]string{"study", "--metods", "lora"}, []string{"unknown flag: --metods", "did you mean --methods?"}},
		{[]string{"study", "-z"}, []string{"unknown shorthand flag"}},
		{[]string{"study", "extra"}, []string{"study takes no argument", `"extra"`}},
		{[]string{"study", "--methods", "nosuch"}, []string{`no method is called "nosuch"`, "nearest first"}},
		{[]string{"study", "--methods", "lora,pisa"}, []string{`"pisa"`, "nearest first: pissa"}},
		{[]string{"study", "--methods", ""}, []string{"--methods", "at least 1"}},
		{[]string{"study", "--rank", "0"}, []string{"--rank 0: must be at least 1"}},
		{[]string{"study", "--rank", "-1"}, []string{"--rank -1: must be at least 1"}},
		{[]string{"study", "--rank", "99999"}, []string{"rank", "99999", "65536"}},
		{[]string{"study", "--rank", "eight"}, []string{"--rank", "eight"}},
		{[]string{"study", "--seeds", "0"}, []string{"--seeds 0: must be at least 1"}},
		{[]string{"study", "--seeds", "1000000000"}, []string{"--seeds 1000000000: must be at most 1000"}},
		{[]string{"study", "--steps", "-5"}, []string{"--steps -5: must be at least 1"}},
		{[]string{"study", "--workers", "0"}, []string{"--workers 0: must be at least 1"}},
		{[]string{"study", "-o", out, "--base-text", empty}, []string{empty, "is empty"}},
		{[]string{"study", "-o", out, "--base-text", tiny}, []string{tiny, "3 bytes", "at least"}},
		{[]string{"study", "-o", out, "--adapt-text", dir}, []string{dir, "directory"}},
		{[]string{"study", "-o", out, "--adapt-text", dir + "/nowhere"}, []string{"nowhere"}},
		{[]string{"study", "-o", empty + "/study"}, []string{"-o " + empty + "/study"}},
		{[]string{"run"}, []string{"run needs one configuration file"}},
		{[]string{"run", "a", "b"}, []string{"run needs one configuration file"}},
		{[]string{"run", dir + "/nowhere.yaml"}, []string{"nowhere.yaml"}},
		{[]string{"run", dir}, []string{dir, "folder"}},
		{[]string{"run", empty}, []string{empty, "is empty"}},
		{[]string{"run", file("deep.yaml", strings.Repeat("[", 100_000))}, []string{"deep.yaml", "nested"}},
		{[]string{"run", file("bomb.yaml", "version: 1\na: &a [x]\nb: [*a, *a]")}, []string{"bomb.yaml:2", "anchors"}},
		{[]string{"run", file("binary.yaml", "\x00\xff\x7fELF")}, []string{"binary.yaml:1:1"}},
		{[]string{"run", yaml("key", "train:\n  lrr: 1\n")}, []string{"key.yaml:7:3", "train.lrr: unknown key; did you mean train.lr?"}},
		{[]string{"run", yaml("rank", "rank: 0\n")}, []string{"rank.yaml:6:7", "rank: is 0"}},
		{[]string{"run", yaml("method", "method: dorra\n"), "-o", out}, []string{`"dorra"`, "dora"}},
		{[]string{"run", yaml("parts", "method: {delta: full, update: lora-pro}\n"), "-o", out}, []string{"needs", "delta full"}},
		{[]string{"run", yaml("target", "targets: q_porj\n"), "-o", out}, []string{`"q_porj"`, "q_proj"}},
		{[]string{"run", yaml("high", "rank: 40\nmethod: pissa\n"), "-o", out}, []string{"rank", "40"}},
		{[]string{"run", yaml("base", "base: {dir: '"+dir+"/none'}\n"), "-o", out}, []string{"model", "config.json and model.safetensors"}},
		{[]string{"run", yaml("text", "data: {base_text: '"+empty+"'}\n"), "-o", out}, []string{empty, "is empty"}},
		{[]string{"run", dir + "/run.yaml", "-o", empty + "/out"}, []string{"-o " + empty + "/out"}},
		{[]string{"targets"}, []string{"targets needs one configuration file"}},
		{[]string{"targets", yaml("pattern", "rank_pattern: {q_porj: 2}\n")}, []string{`"q_porj"`, "q_proj"}},
		{[]string{"resume"}, []string{"resume needs the folder of one run"}},
		{[]string{"resume", dir + "/nowhere"}, []string{"nowhere", "no run"}},
		{[]string{"resume", dir}, []string{dir, "no run"}},
		{[]string{"resume", other}, []string{"run.json", "format is 99, want 1"}},
		{[]string{"report"}, []string{"report needs the folder of a study"}},
		{[]string{"report", t.TempDir()}, []string{"holds no study"}},
		{[]string{"report", empty}, []string{empty}},
		{[]string{"methods", "lora_ga"}, []string{`"lora_ga"`, "nearest first: lora-ga"}},
		{[]string{"methods", "lora", "dora"}, []string{"at most 1"}},
		{[]string{"metrics", "efective_rank"}, []string{`no metric is called "efective_rank"`, "nearest is effective_rank"}},
	} {
		code, _, errs := command(t, c.args...)
		if code != exitUsage {
			t.Errorf("%q ends with %d, want %d", c.args, code, exitUsage)
		}
		for _, text := range c.says {
			if !strings.Contains(errs, text) {
				t.Errorf("%q says %q, want %q in it", c.args, errs, text)
			}
		}
	}
	if runs, err := os.ReadDir(filepath.Join(out, "runs")); err == nil {
		t.Errorf("wrong usage has left runs: %v", runs)
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}, {"study", "-h"}, {"help", "run"}} {
		if code, out, _ := command(t, args...); code != exitOK || !strings.Contains(out, "lowrank") {
			t.Errorf("%q ends with %d: %q", args, code, out)
		}
	}
}

// A command that is stopped says how to go on.
func TestStopped(t *testing.T) {
	dir, _ := workplace(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	args := []string{"run", dir + "/run.yaml", "-o", dir + "/out"}
	if code := run(ctx, args, &out, &errs); code != exitCancelled || errs.String() != "lowrank: stopped; the same command goes on from here\n" {
		t.Errorf("ends with %d: %q", code, errs.String())
	}
	if code, _, errs := command(t, args...); code != exitOK {
		t.Errorf("going on ends with %d: %q", code, errs)
	}
	errs.Reset()
	if code := run(ctx, []string{"study", "--quick", "-o", dir + "/study"}, &out, &errs); code != exitCancelled || strings.Count(errs.String(), "\n") != 1 {
		t.Errorf("a study ends with %d: %q", code, errs.String())
	}
}

// run, run again, resume and report on a run that is complete.
func TestRunResumeReport(t *testing.T) {
	dir, file := workplace(t)
	out := filepath.Join(dir, "out")
	code, first, _ := command(t, "run", dir+"/run.yaml", "-o", out)
	folder := filepath.Join(out, "runs", "run")
	if code != exitOK || !strings.Contains(first, "held-out loss") || !strings.Contains(first, folder) {
		t.Fatalf("ends with %d: %q", code, first)
	}
	adapter := filepath.Join(folder, "adapter", "adapter_model.safetensors")
	info, err := os.Stat(adapter)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"run", dir + "/run.yaml", "-o", out}, {"resume", folder}} {
		if code, text, _ := command(t, args...); code != exitOK || !strings.Contains(text, folder) {
			t.Errorf("%q ends with %d: %q", args, code, text)
		}
		if again, err := os.Stat(adapter); err != nil || !again.ModTime().Equal(info.ModTime()) {
			t.Errorf("%q has trained what was there: %v", args, err)
		}
	}
	if code, text, _ := command(t, "run", dir+"/run.yaml", "-o", out, "--again"); code != exitOK || !strings.Contains(text, "equal bit for bit") {
		t.Errorf("--again ends with %d: %q", code, text)
	}
	if code, text, _ := command(t, "report", out); code != exitOK || !strings.Contains(text, "2 runs") {
		t.Errorf("report ends with %d: %q", code, text)
	}
	if page, err := os.ReadFile(filepath.Join(out, "report.html")); err != nil || !bytes.Contains(page, []byte("</html>")) {
		t.Errorf("the report: %v", err)
	}

	// A renamed run is the same run; one that lies elsewhere, or on another
	// base, is left as it is.
	renamed := filepath.Join(out, "runs", "renamed")
	if err := os.Rename(folder, renamed); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := command(t, "resume", renamed); code != exitOK {
		t.Errorf("renamed: ends with %d: %q", code, errs)
	}
	elsewhere := filepath.Join(dir, "elsewhere")
	if err := os.Rename(renamed, elsewhere); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := command(t, "resume", elsewhere); code != exitUsage || !strings.Contains(errs, "DIR/runs") {
		t.Errorf("elsewhere: ends with %d: %q", code, errs)
	}
	again := filepath.Join(out, "runs", "run_again")
	file("text", strings.Repeat("another text than the run has seen. ", 300))
	if code, _, errs := command(t, "resume", again); code != exitUsage || !strings.Contains(errs, "other texts") {
		t.Errorf("on another text: ends with %d: %q", code, errs)
	}
	if _, err := os.Stat(filepath.Join(again, "adapter", "adapter_model.safetensors")); err != nil {
		t.Error(err)
	}
}

// ownWorkplace is a folder with a tiny decoder, its tokenizer and reviews, and
// a configuration own.yaml that classifies them.
func ownWorkplace(t *testing.T) (dir string, file func(name, text string) string) {
	t.Helper()
	dir, file = workplace(t)
	model, err := llama.New(llama.Config{
		HiddenSize: 32, IntermediateSize: 48, NumHiddenLayers: 1, NumAttentionHeads: 2, NumKeyValueHeads: 1, HeadDim: 16,
		RMSNormEps: 1e-5, RopeTheta: 10000, VocabSize: 2000, MaxPositionEmbeddings: 16,
	}, 1)
	if err != nil {
		t.Fatal(err)
	}
	err = pretrained.Save(func(name string, write func(io.Writer) error) error {
		return record.WriteFile(filepath.Join(dir, "own", name), write)
	}, model.Config, model)
	if err != nil {
		t.Fatal(err)
	}
	z, err := os.Open("../../../nn/tokenizer/testdata/llama2.tokenizer.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	r, err := gzip.NewReader(z)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	file("own/tokenizer.json", string(b))
	reviews := ""
	for i := range 40 {
		reviews += fmt.Sprintf("{\"sentence\": \"it is %s\", \"label\": %d}\n", []string{"dark", "white"}[i%2], i%2)
	}
	file("reviews.jsonl", reviews)
	file("own.yaml", ownConfig(dir, "label: label", ""))
	return dir, file
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

func TestDivergedRunIsAResult(t *testing.T) {
	dir, file := workplace(t)
	path := file("diverged.yaml", config(dir, "method: pissa\ntrain: {steps: 8, batch: 2, tokens: 16, lr: 1e6, clip: 0, warmup: 0}\n"))
	if code, out, _ := command(t, "run", path, "-o", dir+"/out"); code != exitOK || !strings.Contains(out, "diverged at step") {
		t.Errorf("ends with %d: %q", code, out)
	}
}

// The base of a study in a form that is not known is not overwritten by a run.
func TestStudyOfAnotherFormat(t *testing.T) {
	dir, file := workplace(t)
	if err := os.Mkdir(filepath.Join(dir, "out"), 0o777); err != nil {
		t.Fatal(err)
	}
	file("out/study.json", `{"format": 7}`)
	path := file("own.yaml", config(dir, "base: {dir: ''}\n"))
	for _, args := range [][]string{{"run", path, "-o", dir + "/out"}, {"report", dir + "/out"}} {
		if code, _, errs := command(t, args...); code != exitUsage || !strings.Contains(errs, "format 7") {
			t.Errorf("%q ends with %d: %q", args, code, errs)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "out", "base")); err == nil {
		t.Error("a base was made")
	}
}

func TestMethodsList(t *testing.T) {
	_, out, _ := command(t, "methods", "--json")
	var rows []methodRow
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&rows); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range rows {
		names = append(names, r.Name)
		for slot, p := range map[string]part{"delta": r.Parts.Delta, "init": r.Parts.Init, "update": r.Parts.Update, "rank": r.Parts.Rank, "router": r.Parts.Router} {
			if _, err := lora.Row(p.Row); err != nil && p.Row != "none" || p.Kind == "" && slot != "router" || strings.Contains(p.Kind, ".") {
				t.Errorf("%s: %s is %+v", r.Name, slot, p)
			}
		}
	}
	var want []string
	for _, m := range lora.Methods() {
		want = append(want, m.Name)
	}
	if !slices.Equal(names, want) {
		t.Errorf("have %v, want %v", names, want)
	}
	adalora := rows[slices.Index(names, "adalora")].Parts
	if adalora.Delta != (part{"adalora", "SVD"}) || adalora.Update != (part{"lora", "AdamW"}) || adalora.Router != (part{"none", ""}) {
		t.Errorf("adalora is of %+v", adalora)
	}

	if p := rows[slices.Index(names, "lora-pro")].Published; p != (lora.Published{Rank: 8, Alpha: 16, Root: true, LR: 2e-5, In: "Llama-2-7B, MetaMathQA-100k"}) {
		t.Errorf("lora-pro is published with %+v", p)
	}

	_, out, _ = command(t, "methods")
	for _, name := range want {
		if !strings.Contains(out, "\n"+name+" ") {
			t.Errorf("the table has no %s", name)
		}
	}
	_, out, _ = command(t, "methods", "lora-ga")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 2 || !strings.Contains(lines[1], "lora-ga (Gradient)") || !strings.Contains(lines[1], "2407.05000") || strings.Join(strings.Fields(lines[1])[10:14], " ") != "8 16 - Llama-2-7B," {
		t.Errorf("lora-ga alone: %q", out)
	}
}

func TestTargetsList(t *testing.T) {
	dir, file := workplace(t)
	path := file("targets.yaml", config(dir, "targets: [q_proj, down_proj]\nrank_pattern: {down_proj: 2}\nmethod: lora-fa\n"))
	_, out, _ := command(t, "targets", path, "--json")
	var rows []experiments.Adapted
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		t.Fatal(err)
	}
	want := []experiments.Adapted{
		{Name: "model.layers.0.self_attn.q_proj", Out: 32, In: 32, Rank: 4, Scaling: 2, Factors: []string{"A 4×32 frozen", "B 32×4"}, Trained: 128},
		{Name: "model.layers.0.mlp.down_proj", Out: 32, In: 48, Rank: 2, Scaling: 4, Factors: []string{"A 2×48 frozen", "B 32×2"}, Trained: 64},
	}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("have %+v, want %+v", rows, want)
	}
	if _, table, _ := command(t, "targets", path); strings.Count(table, "\n") != 4 || !strings.Contains(table, "2 maps") {
		t.Errorf("have the table %q", table)
	}

	// A base of our own need not be there, and is not made.
	own := file("own.yaml", config(dir, "base: {dir: ''}\n"))
	if code, table, _ := command(t, "targets", own, "-o", dir+"/out"); code != exitOK || !strings.Contains(table, "28 maps") {
		t.Errorf("ends with %d: %q", code, table)
	}
	if _, err := os.Stat(dir + "/out"); err == nil {
		t.Error("targets has written something")
	}
}

func TestMetricsList(t *testing.T) {
	_, out, _ := command(t, "metrics", "--json")
	var rows []map[string]any
	if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows) < 10 {
		t.Fatalf("%d metrics, %v", len(rows), err)
	}
	for _, r := range rows {
		for _, field := range []string{"name", "definition", "source", "unit", "range", "cost"} {
			if s, ok := r[field].(string); !ok || s == "" && field != "source" { // a norm needs none
				t.Errorf("%v has no %s", r["name"], field)
			}
		}
	}
	_, table, _ := command(t, "metrics")
	for _, r := range rows {
		if !strings.Contains(table, "\n  "+r["name"].(string)) {
			t.Errorf("the table lacks %v", r["name"])
		}
	}
	_, one, _ := command(t, "metrics", "sigma_3")
	if !strings.Contains(one, "singular value") || !strings.Contains(one, "cost") {
		t.Errorf("metrics sigma_3: %q", one)
	}
}

// LOWRANK_SIMD is read when the program starts.
func TestLevelOfTheEnvironment(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	has := func(name string) bool {
		return slices.ContainsFunc(kernels.Levels(), func(l kernels.Level) bool { return l.String() == name })
	}
	for _, level := range []string{"", "generic", "bogus", "avx2", "avx512", "neon"} {
		cmd := exec.Command(self, "methods")
		cmd.Env = append(os.Environ(), "LOWRANK_TEST_IS_COMMAND=1", "LOWRANK_SIMD="+level)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		code := cmd.ProcessState.ExitCode()
		wantTidy(t, []string{level}, code, out.String(), errs.String())
		if level == "" || has(level) {
			if err != nil || code != exitOK {
				t.Errorf("%s on %s: %v: %s", level, runtime.GOARCH, err, errs.String())
			}
			continue
		}
		if code != exitUsage || !strings.Contains(errs.String(), "LOWRANK_SIMD") || out.Len() > 0 {
			t.Errorf("%s ends with %d: %q", level, code, errs.String())
		}
	}
}
