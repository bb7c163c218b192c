package experiments

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/lowrank/lowrank/experiments/data"
	"github.com/lowrank/lowrank/lora"
)

func corpusOf(t *testing.T, text []byte) *data.Corpus {
	t.Helper()
	c, err := data.Split("text", text, 0.1, 16)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A base is trained once for each text and pretraining, and comes back from
// its folder as it was.
func TestBaseIsPretrainedOnce(t *testing.T) {
	dir := t.TempDir()
	p := tinyPretraining
	p.Steps = 3
	steps := 0
	prepare := func(p Pretraining, text []byte) string {
		t.Helper()
		steps = 0
		model, err := PrepareBase(context.Background(), dir, p, corpusOf(t, text), func(int, float64) { steps++ })
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range model.Params() {
			if w.RequiresGrad() {
				t.Errorf("%s is trained still", w.Name)
			}
		}
		return lora.BaseHash(model, nil)
	}
	first := prepare(p, proseText)
	if steps != 3 {
		t.Errorf("took %d steps, want 3", steps)
	}
	if again := prepare(p, proseText); steps != 0 || again != first {
		t.Errorf("the second time: %d steps, equal %v", steps, again == first)
	}
	if other := prepare(p, codeText); steps != 3 || other == first {
		t.Errorf("another text: %d steps, equal %v", steps, other == first)
	}
	p.Seed++
	if prepare(p, codeText); steps != 3 {
		t.Errorf("another seed: %d steps", steps)
	}
	if err := os.Remove(filepath.Join(dir, baseFile)); err != nil {
		t.Fatal(err)
	}
	if prepare(p, codeText); steps != 3 {
		t.Errorf("without its record: %d steps", steps)
	}
	if _, err := LoadBase(dir, Base{}); err != nil {
		t.Errorf("as a model: %v", err)
	}
}

func TestPretrainingCutOff(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "base")
	ctx, cancel := context.WithCancel(context.Background())
	_, err := PrepareBase(ctx, dir, tinyPretraining, corpusOf(t, proseText), func(step int, _ float64) {
		if step == 2 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("have error %v", err)
	}
	if files := filesIn(t, dir); len(files) > 0 {
		t.Errorf("left %q", files)
	}
}

func TestPretrainingIntoAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := PrepareBase(context.Background(), filepath.Join(file, "base"), tinyPretraining, corpusOf(t, proseText),
		func(int, float64) { t.Fatal("trains what cannot be kept") })
	wantOneLine(t, err, file)
}

func TestSettingsThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	prose, code := write("prose", proseText), write("code", codeText)
	p := tinyPretraining
	p.Steps = 1
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte("{}"), 0o666); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		base   string
		data   Data
		tokens int
		says   []string
	}{
		"no text":        {"", Data{BaseText: filepath.Join(dir, "nowhere"), AdaptText: code}, 16, []string{"nowhere"}},
		"a folder":       {"", Data{BaseText: prose, AdaptText: dir}, 16, []string{dir, "directory"}},
		"an empty text":  {"", Data{BaseText: write("empty", nil), AdaptText: code}, 16, []string{"empty"}},
		"a tiny text":    {"", Data{BaseText: prose, AdaptText: write("tiny", []byte("abc"))}, 16, []string{"tiny", "3 bytes", "at least"}},
		"long windows":   {"", Data{BaseText: prose, AdaptText: code}, 65, []string{"train.tokens is 65", "at most max_position_embeddings = 64"}},
		"no base":        {filepath.Join(dir, "nobase"), Data{BaseText: prose, AdaptText: code}, 16, []string{"model", "config.json and model.safetensors"}},
		"an empty model": {dir, Data{BaseText: prose, AdaptText: code}, 16, []string{"model"}},
	} {
		c.data.MaxBytes, c.data.HeldOut = 1<<20, 0.1
		config := DefaultConfig()
		config.Model, config.Data, config.Train.Tokens = c.base, c.data, c.tokens
		_, err := OpenSetting(context.Background(), filepath.Join(dir, "out"), config, p, nil)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		wantOneLine(t, err, c.says...)
	}
}
