package notebooks

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed sample_test.go
var source string

func TestOutputsStandBelowTheirCells(t *testing.T) {
	var screen bytes.Buffer
	nb, err := New(source, sample, &screen)
	if err != nil {
		t.Fatal(err)
	}
	if err := sample(context.Background(), nb); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := nb.Write(&file); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Metadata struct {
			Language struct{ Name string } `json:"language_info"`
			Kernel   any                   `json:"kernelspec"`
		}
		Cells []struct {
			Type    string `json:"cell_type"`
			Source  []string
			Outputs []struct {
				Type string `json:"output_type"`
				Text []string
				Data map[string][]string
			}
		}
	}
	if err := json.Unmarshal(file.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	if m := read.Metadata; m.Language.Name != "go" || m.Kernel != nil {
		t.Errorf("language is %q, kernel %v: want go and none", m.Language.Name, m.Kernel)
	}
	at := -1 // of sample's first cell
	for i, c := range read.Cells {
		if c.Type == "markdown" && strings.Join(c.Source, "") == "# Sample" {
			at = i
		}
	}
	if at < 0 || len(read.Cells) < at+6 {
		t.Fatalf("%d cells, # Sample is number %d", len(read.Cells), at)
	}
	outputs := func(i int) (out []string) {
		for _, o := range read.Cells[at+i].Outputs {
			if o.Type == "stream" {
				out = append(out, strings.Join(o.Text, ""))
			}
			for _, kind := range []string{"text/plain", "image/svg+xml"} {
				if data, ok := o.Data[kind]; ok {
					out = append(out, kind+" "+strings.Join(data, ""))
				}
			}
		}
		return out
	}
	table := "  name   n  axis          loss\n  a<b    1  rank  −0.5 [−1, 0]\n  ΔW    10                late\n"
	for i, want := range map[int][]string{
		1: {"first\nagain\nagain\n"},
		3: {"from a goroutine\n", "text/plain " + table, "image/svg+xml <svg xmlns=", "after 2\n"},
		5: {"again\nagain\n"},
	} {
		got := outputs(i)
		if len(got) != len(want) {
			t.Errorf("cell %d has outputs %q, want %q", i, got, want)
			continue
		}
		for j := range want {
			if !strings.HasPrefix(got[j], want[j]) {
				t.Errorf("cell %d has outputs %q, want %q", i, got, want)
			}
		}
	}
	if !strings.Contains(file.String(), "a&lt;b") {
		t.Error("the table's text is not escaped in HTML")
	}
	want := "first\nagain\nagain\nfrom a goroutine\n" + table + "[figure: A < B]\nafter 2\nagain\nagain\n"
	if screen.String() != want {
		t.Errorf("printed %q, want %q", screen.String(), want)
	}
}

func TestCommand(t *testing.T) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	panics := func(context.Context, *Notebook) error { panic("at the disco") }
	for _, test := range []struct {
		name       string
		ctx        context.Context
		experiment Experiment
		args       []string
		code       int
		says       string // on either output
		written    bool
	}{
		{"well", context.Background(), sample, nil, 0, "sample.ipynb", true},
		{"cut off", cancelled, sample, nil, exitCancelled, "the same command goes on", false},
		{"argument", context.Background(), sample, []string{"x"}, exitUsage, `takes no argument, only flags: "x"`, false},
		{"flag", context.Background(), sample, []string{"-x"}, exitUsage, "-x", false},
		{"help", context.Background(), sample, []string{"-h"}, 0, "DIR/sample.ipynb", false},
		{"folder", context.Background(), sample, []string{"-o", file}, exitFailed, "not a directory", false},
		{"source", context.Background(), panics, nil, exitFailed, "has no func", false},
	} {
		dir := t.TempDir()
		var out bytes.Buffer
		code := command(test.ctx, "sample", source, test.experiment, append([]string{"-o", dir}, test.args...), &out, &out)
		_, err := os.Stat(filepath.Join(dir, "sample.ipynb"))
		if _, page := os.Stat(filepath.Join(dir, "sample.html")); (page == nil) != test.written {
			t.Errorf("%s: the page is written: %v, want %v", test.name, page == nil, test.written)
		}
		if code != test.code || !strings.Contains(out.String(), test.says) || (err == nil) != test.written {
			t.Errorf("%s: code %d, written %v, output %q; want code %d, written %v, %q", test.name, code, err == nil, out.String(), test.code, test.written, test.says)
		}
	}
}

func TestPanicIsAnError(t *testing.T) {
	err := produce(context.Background(), "breaks", source, breaks, t.TempDir(), false, io.Discard, io.Discard)
	if err == nil || err.Error() != "internal error: a defect" {
		t.Errorf("error is %v", err)
	}
}

func TestQuartiles(t *testing.T) {
	for _, test := range []struct{ values, want []float64 }{
		{[]float64{4, 1, 3, 2}, []float64{1.75, 2.5, 3.25}}, // as numpy.quantile has it
		{[]float64{5, 1, 3}, []float64{2, 3, 4}},
		{[]float64{7}, []float64{7, 7, 7}},
	} {
		low, median, high := Quartiles(test.values)
		if got := []float64{low, median, high}; fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("quartiles of %v are %v, want %v", test.values, got, test.want)
		}
	}
	if got, want := Spread([]float64{4, 1, 3, 2}), "2.50 [1.75, 3.25]"; got != want {
		t.Errorf("Spread is %s, want %s", got, want)
	}
	if got, want := Span([]float64{4, 1, 3}), "3.000 (1.000 – 4.000)"; got != want {
		t.Errorf("Span is %s, want %s", got, want)
	}
	if _, median, _ := Quartiles(nil); !math.IsNaN(median) {
		t.Errorf("median of nothing is %v", median)
	}
}
