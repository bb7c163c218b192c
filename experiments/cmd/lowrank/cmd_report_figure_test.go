package main

import (
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/experiments/record"
)

func TestReportFigure(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	run := filepath.Join(dir, "runs", "one")
	r := &record.Run{ID: "one", Status: record.Done, Method: record.Method{Name: "lora"}, LR: 0.1, Eval: record.Eval{"adapt_after": 1}}
	if err := r.Write(run); err != nil {
		t.Fatal(err)
	}
	log, err := record.OpenLog(run)
	if err != nil {
		t.Fatal(err)
	}
	for step := 1; step <= 3; step++ {
		if err := log.Add(record.Metric{Step: step, Layer: "l.0.q_proj", Name: "effective_rank", Value: float64(step)}, record.Metric{Step: step, Name: "train_loss", Value: 2}); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		of, file string
		args     []string
		csv      string
	}{
		{dir, "a.svg", []string{"--layer", "q_proj", "--metric", "effective_rank"}, "one,l.0.q_proj,effective_rank,2,2"},
		{run, "b.png", []string{"--layer", "l[.].*", "--metric", "effective_rank"}, "one,l.0.q_proj,effective_rank,3,3"},
		{dir, "c.png", []string{"--metric", "train_loss"}, "lora,3,2,2,2,1"},
	} {
		path := filepath.Join(out, c.file)
		code, text, errs := command(t, append([]string{"report", c.of, "-o", path}, c.args...)...)
		if code != exitOK || !strings.HasPrefix(text, path+"\n") {
			t.Fatalf("%q ends with %d: %s%s", c.args, code, text, errs)
		}
		numbers, err := os.ReadFile(strings.TrimSuffix(path, filepath.Ext(path)) + ".csv")
		if err != nil || !strings.Contains(string(numbers), c.csv) {
			t.Errorf("%q: numbers %s, %v: must have %s", c.args, numbers, err, c.csv)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if filepath.Ext(path) == ".png" {
			if _, err := png.Decode(f); err != nil {
				t.Errorf("%q: %v", c.args, err)
			}
		}
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{dir, "--layer", "q_proj"}, "--metric is missing"},
		{[]string{dir, "--metric", "rank"}, `metric "rank" was not recorded; there are, nearest first: train_loss`},
		{[]string{dir, "--metric", "effective_rank", "--layer", "k_proj"}, "there are: l.0.q_proj"},
		{[]string{dir, "--metric", "effective_rank", "--layer", "("}, `--layer "("`},
		{[]string{dir, "--metric", "train_loss", "-o", "a.gif"}, "must end in .svg or .png"},
		{[]string{out, "--metric", "train_loss"}, "holds no study"},
	} {
		code, text, errs := command(t, append([]string{"report"}, c.args...)...)
		if code != exitUsage || text != "" || !strings.Contains(errs, c.says) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%q ends with %d, prints %q and says %q, want …%s…", c.args, code, text, errs, c.says)
		}
	}
}
