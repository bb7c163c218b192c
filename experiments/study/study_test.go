package study

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/experiments"
	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/lora"
)

// tiny is the quick study made so small that it takes a second.
func tiny(t *testing.T) *Study {
	t.Helper()
	dir := t.TempDir()
	write := func(name, phrase string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, bytes.Repeat([]byte(phrase), 300), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	s := Quick()
	m := &s.Pretraining.Model
	m.HiddenSize, m.IntermediateSize, m.NumHiddenLayers, m.HeadDim = 32, 48, 1, 16
	s.Pretraining.Steps, s.Pretraining.Batch, s.Pretraining.Tokens = 3, 2, 16
	s.Methods, s.LRs, s.Seeds = []string{"lora", "pissa"}, []float64{1e-3, 1e-2}, []uint64{1}
	c := s.Template
	c.Data.BaseText, c.Data.AdaptText = write("prose", "a ray of light falls upon the glass. "), write("code", "func f() { return nil }\n")
	c.Rank, c.Alpha = 4, 4
	c.Train.Steps, c.Train.Batch, c.Train.Tokens = 3, 2, 16
	c.Eval.Batches, c.Probe = 1, experiments.Probe{Tier0: 1, Tier1: 1}
	return s
}

type watcher struct {
	steps, ended, reused, pretrained int
	step                             func()
}

func (w *watcher) Plan(int) {}
func (w *watcher) Step(string, int, int, float64) {
	w.steps++
	if w.step != nil {
		w.step()
	}
}
func (w *watcher) End(_ *record.Run, reused bool, _ error) {
	w.ended++
	if reused {
		w.reused++
	}
}

func run(ctx context.Context, s *Study, dir string) (string, *watcher, error) {
	w := &watcher{}
	path, err := s.Run(ctx, dir, 1, func(int, float64) { w.pretrained++ }, w)
	return path, w, err
}

func TestStudyEndToEnd(t *testing.T) {
	s, dir := tiny(t), filepath.Join(t.TempDir(), "a", "study")
	path, w, err := run(context.Background(), s, dir)
	if err != nil {
		t.Fatal(err)
	}
	if w.pretrained != 3 || w.steps != 4*3 || w.ended != 4 || w.reused != 0 {
		t.Errorf("have %+v", w)
	}
	page, err := os.ReadFile(path)
	if err != nil || path != filepath.Join(dir, "report.html") {
		t.Fatalf("report %s: %v", path, err)
	}
	for _, text := range []string{"lora", "pissa", "2404.02948", "lowrank study --quick", "Llama decoder of 1 layers", "prose", "</html>"} {
		if !bytes.Contains(page, []byte(text)) {
			t.Errorf("the report says nothing of %q", text)
		}
	}
	kept, err := Read(dir)
	if err != nil || !reflect.DeepEqual(kept, s) {
		t.Errorf("study.json is read as %+v, %v, want %+v", kept, err, s)
	}

	// Once more: nothing is trained, and the report stays as it was.
	path, w, err = run(context.Background(), tinyAs(s), dir)
	if err != nil || w.pretrained != 0 || w.steps != 0 || w.reused != 4 {
		t.Errorf("again: have %+v, %v", w, err)
	}
	if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, page) {
		t.Errorf("again: the report differs, %v", err)
	}
}

// tinyAs is the study that s was before it ran.
func tinyAs(s *Study) *Study {
	c := *s
	c.Facts = nil
	return &c
}

// A study that is stopped leaves a report of what there is, and goes on.
func TestStudyCutOff(t *testing.T) {
	s, dir := tiny(t), t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	w := &watcher{}
	w.step = func() {
		if w.steps == 7 { // in the third run
			cancel()
		}
	}
	path, err := s.Run(ctx, dir, 1, nil, w)
	if !errors.Is(err, context.Canceled) || w.ended != 2 {
		t.Fatalf("have %+v, %v", w, err)
	}
	if page, err := os.ReadFile(path); err != nil || !bytes.Contains(page, []byte("</html>")) {
		t.Errorf("the report in between: %v", err)
	}
	path, again, err := run(context.Background(), tinyAs(s), dir)
	if err != nil || path == "" || again.pretrained != 0 || again.steps != 4*3-7 || again.reused != 2 || again.ended != 4 {
		t.Errorf("have %+v, %v", again, err)
	}
}

func TestStudyCutOffInPretraining(t *testing.T) {
	s, dir := tiny(t), t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	path, err := s.Run(ctx, dir, 1, func(step int, _ float64) { cancel() }, &watcher{})
	if !errors.Is(err, context.Canceled) || path != "" {
		t.Errorf("have report %q, %v", path, err)
	}
	if _, w, err := run(context.Background(), tinyAs(s), dir); err != nil || w.pretrained != 3 || w.steps != 4*3 {
		t.Errorf("again: have %+v, %v", w, err)
	}
}

func TestStudyThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	rank := tiny(t)
	rank.Template.Rank = 40 // PiSSA takes singular values, of which there are 32
	text := tiny(t)
	text.Template.Data.AdaptText = file
	for name, c := range map[string]struct {
		study *Study
		dir   string
		says  string
	}{
		"below a file":  {tiny(t), filepath.Join(file, "study"), file},
		"rank":          {rank, t.TempDir(), "rank"},
		"an empty text": {text, t.TempDir(), "is empty"},
	} {
		path, w, err := run(context.Background(), c.study, c.dir)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: have error %v, want one line with %q", name, err, c.says)
		}
		if path != "" || w.steps != 0 {
			t.Errorf("%s: have report %q, %d steps", name, path, w.steps)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"": "study.json", "{": "study.json", `{"format": 2}`: "format 2: this version reads format 1", `{}`: "format 0",
		`{"format": 1, "template": {"version": 1, "rank": 0}}`: "rank",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: have error %v, want one line with %q", text, err, says)
		}
	}
}

// The default studies are of rows that there are, and can be kept.
func TestDefaults(t *testing.T) {
	for _, s := range []*Study{Default(), Quick()} {
		axes := map[lora.Axis]bool{}
		for _, name := range s.Methods {
			m, err := lora.Row(name)
			if err != nil {
				t.Error(err)
			}
			axes[m.Axis] = true
		}
		if len(axes) != 5 { // full fine-tuning has none
			t.Errorf("%s: axes %v", s.Command, axes)
		}
		if err := s.Template.Validate(); err != nil {
			t.Errorf("%s: %v", s.Command, err)
		}
		if err := s.Pretraining.Model.Validate(); err != nil {
			t.Errorf("%s: %v", s.Command, err)
		}
		b, err := json.Marshal(s)
		var back Study
		if err != nil || json.Unmarshal(b, &back) != nil || !reflect.DeepEqual(&back, s) {
			t.Errorf("%s: study.json is read back as %+v", s.Command, back)
		}
	}
}
