package experiments

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lowrank/lowrank/experiments/data"
	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/nn/llama"
)

// tinyPretraining is a model of width 32 and 2 layers that has barely learned
// its alphabet.
var tinyPretraining = Pretraining{
	Model: llama.Config{
		HiddenSize: 32, IntermediateSize: 48, NumHiddenLayers: 2, NumAttentionHeads: 2, NumKeyValueHeads: 1, HeadDim: 16,
		RMSNormEps: 1e-5, RopeTheta: 10000, VocabSize: 256, MaxPositionEmbeddings: 64, TieWordEmbeddings: true,
	},
	Steps: 30, Batch: 4, Tokens: 16, LR: 1e-2, Seed: 3,
}

// words writes n bytes of words drawn from a small vocabulary.
func words(seed uint64, vocabulary string, n int) []byte {
	rng, all := data.Stream(seed, "words"), strings.Fields(vocabulary)
	var text []byte
	for len(text) < n {
		text = append(append(text, all[rng.IntN(len(all))]...), ' ')
	}
	return text[:n]
}

var (
	proseText = words(1, "the ray of light is bent by a glass and falls upon the wall in colours red yellow green blue", 8000)
	codeText  = words(2, "func return if err != nil { } := range for x y z ( ) import type struct", 8000)
)

// tiny is the setting that tests share; no run changes it.
var tiny = sync.OnceValues(func() (*Setting, error) { return openTiny(Base{}) })

// openTiny opens the tiny setting with its base in a format.
func openTiny(b Base) (*Setting, error) {
	dir, err := os.MkdirTemp("", "lowrank")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	d := Data{BaseText: filepath.Join(dir, "prose"), AdaptText: filepath.Join(dir, "code"), MaxBytes: 1 << 20, HeldOut: 0.1}
	if err := writeBytes(d.BaseText, proseText); err != nil {
		return nil, err
	}
	if err := writeBytes(d.AdaptText, codeText); err != nil {
		return nil, err
	}
	c := DefaultConfig()
	c.Base, c.Data, c.Train.Tokens = b, d, 16
	return OpenSetting(context.Background(), dir, c, tinyPretraining, nil)
}

func tinySetting(t *testing.T) *Setting {
	t.Helper()
	s, err := tiny()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tinyRun is a run of eight steps in a new folder.
func tinyRun(t *testing.T, method string, change ...func(*Config)) *Run {
	t.Helper()
	c := DefaultConfig()
	c.Method, c.Rank, c.Alpha = Method{Name: method}, 4, 8
	c.Train.Steps, c.Train.Batch, c.Train.Tokens, c.Train.Accumulate, c.Train.LR = 8, 2, 16, 2, 5e-3
	c.Eval, c.Probe, c.Checkpoint = Eval{Every: 3, Batches: 2}, Probe{Tier0: 2, Tier1: 2, Tier2: 4, Tier3: AtCheckpoints}, Checkpoint{Every: 3}
	for _, f := range change {
		f(c)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return &Run{Setting: tinySetting(t), Config: c, Dir: filepath.Join(t.TempDir(), "run")}
}

// result is all of a finished run that must not depend on anything but its
// configuration.
type result struct {
	adapter map[string][]byte
	metrics []byte
	eval    record.Eval
}

// finish does the run, which must be done afterwards, and returns what came
// out.
func finish(t *testing.T, r *Run) result {
	t.Helper()
	rec, err := r.Do(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if rec.Status != record.Done {
		t.Fatalf("status %s, diverged at %d", rec.Status, rec.DivergedAt)
	}
	return resultOf(t, r.Dir)
}

func resultOf(t *testing.T, dir string) result {
	t.Helper()
	rec, err := record.ReadRun(dir)
	if err != nil {
		t.Fatal(err)
	}
	res := result{adapter: map[string][]byte{}, eval: rec.Eval}
	for _, name := range []string{"adapter_config.json", "adapter_model.safetensors"} {
		res.adapter[name] = readFile(t, filepath.Join(dir, "adapter", name))
	}
	res.metrics = readFile(t, filepath.Join(dir, "metrics.jsonl"))
	return res
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wantSame compares results bit for bit.
func wantSame(t *testing.T, what string, have, want result) {
	t.Helper()
	wantSameAdapter(t, what, have, want)
	if !bytes.Equal(have.metrics, want.metrics) {
		t.Errorf("%s: metrics.jsonl differs: %s", what, firstDifference(have.metrics, want.metrics))
	}
	if !maps.Equal(have.eval, want.eval) {
		t.Errorf("%s: have eval %v, want %v", what, have.eval, want.eval)
	}
}

func wantSameAdapter(t *testing.T, what string, have, want result) {
	t.Helper()
	for name := range want.adapter {
		if !bytes.Equal(have.adapter[name], want.adapter[name]) {
			t.Errorf("%s: %s differs", what, name)
		}
	}
}

func firstDifference(have, want []byte) string {
	a, b := strings.Split(string(have), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return "have " + a[i] + ", want " + b[i]
		}
	}
	return "one is longer"
}

// filesIn lists the files below dir, in order.
func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			files = append(files, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

// wantOneLine checks that err is one line that contains each text.
func wantOneLine(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", texts)
		return
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %v", err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("have error %q, want %q in it", err, text)
		}
	}
}

// forward runs a graph on its batch.
func forward(t *testing.T, g *graph) float64 {
	t.Helper()
	loss, err := g.forward()
	if err != nil {
		t.Fatal(err)
	}
	return loss
}
