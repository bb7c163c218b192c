package verify

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// recordedModels returns the folder of the recorded models, or skips the test.
func recordedModels(t *testing.T) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "fixtures", "models")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("shared/fixtures is not here: %v", err)
	}
	return dir
}

// rowsOf runs the cases of a folder that match.
func rowsOf(t *testing.T, dir, only string) (all []Row) {
	t.Helper()
	if err := Run(t.Context(), []string{dir}, regexp.MustCompile(only), func(r Row) { all = append(all, r) }); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestModels: every case of every recorded model agrees.
func TestModels(t *testing.T) {
	for _, r := range rowsOf(t, recordedModels(t), "") {
		if r.Status != Pass {
			t.Errorf("%s: %s/%s %s: %s", r.Status, r.Folder, r.Case, r.Name, r.Note)
		}
	}
}

// TestModelsThatDiffer: a comparison with a model that was tampered with fails
// in the row that says of what, and one with something unknown is one row that
// says so.
func TestModelsThatDiffer(t *testing.T) {
	from := filepath.Join(recordedModels(t), "llama_lm")
	replace := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte {
			if !bytes.Contains(b, []byte(old)) {
				t.Fatalf("%s is not there", old)
			}
			return bytes.Replace(b, []byte(old), []byte(new), 1)
		}
	}
	last := func(b []byte) []byte { b[len(b)-1] ^= 0xc0; return b } // sign and exponent of the last value
	for _, c := range []struct {
		name, file string
		tamper     func([]byte) []byte
		only       string
		status     Status
		row, note  string
	}{
		{"weights", "model.safetensors", last, "base$", Fail, "logits", "want"},
		{"a weight that is cut off", "model.safetensors", func(b []byte) []byte { return b[:len(b)-1] }, "base$", Fail, "", "model.safetensors"},
		{"no JSON", "config.json", replace(`"model_type"`, `model_type`), "base$", Fail, "", "config.json"},
		{"a type that is unknown", "config.json", replace(`"model_type": "llama"`, `"model_type": "lama"`), "base$", Unsupported, "", `"lama"`},
		{"an input that is unknown", "inputs.safetensors", replace(`"attention_mask"`, `"attention_bias"`), "base$", Unsupported, "", "attention_bias"},
		{"a gradient that is not recorded", "base_outputs.safetensors", replace(`"grad.model.norm.weight"`, `"from.model.norm.weight"`), "base$", Fail, "grad.model.norm", "no gradient is recorded"},
		{"tokens", "info.json", replace("196,\n   196", "196,\n   197"), "base$", Fail, "greedy tokens", "do not begin with"},
		{"parameters", "info.json", replace(`"params": `, `"params": 1`), "base$", Fail, "parameters", "want 1"},
		{"an adapter", "adapters/lora/adapter_model.safetensors", last, "adapters/lora$", Fail, "logits", "want"},
		{"a setting that is unknown", "adapters/lora/adapter_config.json", replace(`"use_qalora": false`, `"use_qalora": true`), "adapters/lora$", Unsupported, "", "use_qalora"},
		{"a merged weight", "adapters/lora/outputs.safetensors", last, "adapters/lora$", Fail, "merged", "want"},
		{"the start of training", "train_lora/start/adapter_model.safetensors", last, "train_lora$", Fail, "losses", "want"},
		{"the end of training", "train_lora/end/adapter_model.safetensors", last, "train_lora$", Fail, "end/", "want"},
		{"an optimizer that is unknown", "train_lora/trace.json", replace(`"AdamW"`, `"Lion"`), "train_lora$", Unsupported, "", "Lion"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "llama_lm")
			path := filepath.Join(dir, filepath.FromSlash(c.file))
			err := os.CopyFS(dir, os.DirFS(from))
			if err == nil {
				err = rewrite(path, c.tamper)
			}
			if err != nil {
				t.Fatal(err)
			}
			wrong := slices.DeleteFunc(rowsOf(t, dir, c.only), func(r Row) bool { return r.Status == Pass })
			if c.status == Unsupported && len(wrong) != 1 {
				t.Errorf("%d rows, want one", len(wrong))
			}
			if !slices.ContainsFunc(wrong, func(r Row) bool {
				return r.Status == c.status && strings.HasPrefix(r.Name, c.row) && strings.Contains(r.Note, c.note)
			}) {
				t.Errorf("no row %s of %q that says %q: %+v", c.status, c.row, c.note, wrong)
			}
		})
	}
}

// rewrite changes a file.
func rewrite(path string, change func([]byte) []byte) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, change(b), 0o644)
}

func TestPlainNames(t *testing.T) {
	for name, want := range map[string]string{
		"model.norm.weight": "model.norm",
		"base_model.model.model.layers.0.q_proj.lora_A.weight":   "model.layers.0.q_proj.lora_A",
		"base_model.model.q_proj.lora_magnitude_vector":          "q_proj.lora_magnitude_vector",
		"base_model.model.classifier.modules_to_save.dense.bias": "classifier.dense.bias",
		"base_model.model.q_proj.base_layer.bias":                "q_proj.bias",
		"base_model.vera_A":                                          "vera_A",
		"base_model.model.embeddings.class_embedding":                "embeddings.class_embedding",
		"base_model.model.model.embed_tokens.lora_embedding_A":       "model.embed_tokens.lora_embedding_A",
		"base_model.model.model.embed_tokens.modules_to_save.weight": "model.embed_tokens",
	} {
		if got := plain(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// TestComponents: what two decompositions of one weight may differ in.
func TestComponents(t *testing.T) {
	// diag(3, 2, 2) at rank 2: the second component may be of either 2.
	w := []float32{3, 0, 0, 0, 2, 0, 0, 0, 2}
	of := func(a, b []float32) components { return components{a: a, b: b, rank: 2, in: 3, out: 3, s: 1} }
	first := of([]float32{3, 0, 0, 0, 2, 0}, []float32{1, 0, 0, 0, 1, 0})
	other := of([]float32{3, 0, 0, 0, 0, 2}, []float32{1, 0, 0, 0, 0, 1})
	signs := of([]float32{-3, 0, 0, 0, 2, 0}, []float32{-1, 0, 0, 0, 1, 0})
	wrong := of([]float32{3, 0, 0, 2, 0, 0}, []float32{1, 0, 0, 0, 1, 0})
	compare := func(c components) (failed bool) {
		r := &rows{emit: func(r Row) { failed = failed || r.Status != Pass }}
		first.compare(r, "A", "B", c)
		return failed
	}
	for _, c := range []struct {
		name                      string
		c                         components
		singular, turned, differs bool
	}{
		{"itself", first, true, false, false},
		{"other signs", signs, true, false, false},
		{"another component", other, true, true, true},
		{"no decomposition", wrong, false, true, true},
	} {
		singular, turned, differs := c.c.singular(w), first.turned(c.c), compare(c.c)
		if singular != c.singular || turned != c.turned || differs != c.differs {
			t.Errorf("%s: singular %v, turned %v, differs %v", c.name, singular, turned, differs)
		}
	}
}
