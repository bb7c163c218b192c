package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/kernels"
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
