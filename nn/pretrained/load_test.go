package pretrained

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/nn/llama"
)

const recorded = "../llama/testdata" // a folder that transformers saved

// saver returns a function for Save that keeps the files.
func saver(files map[string]string) func(string, func(io.Writer) error) error {
	return func(name string, contents func(io.Writer) error) error {
		var b bytes.Buffer
		err := contents(&b)
		files[name] = b.String()
		return err
	}
}

func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLoadSave: a model that is loaded and saved has the very bytes of the
// weights that transformers saved, and loads again.
func TestLoadSave(t *testing.T) {
	m, err := Load(recorded)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	if err := Save(saver(files), m.(*llama.Model).Config, m); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(recorded, WeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	if files[WeightsFile] != string(want) || len(files) != 2 {
		t.Errorf("%d files, equal weights %v", len(files), files[WeightsFile] == string(want))
	}
	dir := t.TempDir()
	put(t, dir, files)
	again, err := Load(dir)
	if err != nil || again.(*llama.Model).Config != m.(*llama.Model).Config {
		t.Errorf("loaded again: %v", err)
	}
}

func TestLoadSaveTied(t *testing.T) {
	cfg := llama.Config{
		HiddenSize: 6, IntermediateSize: 5, NumHiddenLayers: 1, NumAttentionHeads: 2, NumKeyValueHeads: 1, HeadDim: 4,
		RMSNormEps: 1e-5, RopeTheta: 1e4, VocabSize: 9, MaxPositionEmbeddings: 8, TieWordEmbeddings: true,
	}
	m, err := llama.New(cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	if err := Save(saver(files), m.Config, m); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put(t, dir, files)
	loaded, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	again := loaded.(*llama.Model)
	if again.Config != cfg || again.Head.W != again.Embed.W || strings.Contains(files[WeightsFile], "lm_head") {
		t.Errorf("after saving and loading: %+v, head tied %v", again.Config, again.Head.W == again.Embed.W)
	}
}

// TestLoadOutput: a configuration that ties the output to the embedding has its
// way where the file has no other tensor, or the same once more, and not where
// they differ.
func TestLoadOutput(t *testing.T) {
	config, err := os.ReadFile(filepath.Join(recorded, ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	s, err := ReadSafetensors(filepath.Join(recorded, WeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	const head, table = "lm_head.weight", "model.embed_tokens.weight"
	for _, from := range []string{head, table} {
		var tensors []Tensor
		for _, name := range s.Names() {
			x, err := s.Tensor(name)
			if name == head {
				x, err = s.Tensor(from)
				x.Name = head
			}
			if err != nil {
				t.Fatal(err)
			}
			tensors = append(tensors, x)
		}
		var b bytes.Buffer
		if err := WriteSafetensors(&b, tensors, nil); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		put(t, dir, map[string]string{
			ConfigFile:  strings.Replace(string(config), `"tie_word_embeddings": false`, `"tie_word_embeddings": true`, 1),
			WeightsFile: b.String(),
		})
		loaded, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		m := loaded.(*llama.Model)
		if tied := m.Head.W == m.Embed.W; tied != (from == table) || tied != (m.Head.Tied == m.Embed.Linear) {
			t.Errorf("with the values of %s the output is tied: %t", from, tied)
		}
	}
}

// TestLoadErrors: all that differs is named, with both shapes.
func TestLoadErrors(t *testing.T) {
	config, err := os.ReadFile(filepath.Join(recorded, ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	s, err := ReadSafetensors(filepath.Join(recorded, WeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	weights := func(change func(name string, x *Tensor) bool) string {
		var tensors []Tensor
		for _, name := range s.Names() {
			x, err := s.Tensor(name)
			if err != nil {
				t.Fatal(err)
			}
			if change(name, &x) {
				tensors = append(tensors, x)
			}
		}
		var b bytes.Buffer
		if err := WriteSafetensors(&b, tensors, nil); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	same := weights(func(string, *Tensor) bool { return true })
	edit := func(old, new string) string {
		if !strings.Contains(string(config), old) {
			t.Fatalf("config.json has no %s", old)
		}
		return strings.Replace(string(config), old, new, 1)
	}
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"no config", map[string]string{WeightsFile: same}, []string{"config.json"}},
		{"no weights", map[string]string{ConfigFile: string(config)}, []string{"model.safetensors"}},
		{"no JSON", map[string]string{ConfigFile: "{", WeightsFile: same}, []string{"config.json"}},
		{"large config", map[string]string{ConfigFile: strings.Repeat(" ", 1<<20) + string(config), WeightsFile: same}, []string{"config.json", "at most"}},
		{"bad config", map[string]string{ConfigFile: edit(`"head_dim": 12`, `"head_dim": 11`), WeightsFile: same}, []string{"config.json", "head_dim = 11"}},
		{
			"other shapes", map[string]string{ConfigFile: edit(`"intermediate_size": 80`, `"intermediate_size": 81`), WeightsFile: same},
			[]string{"model.layers.1.mlp.up_proj.weight is [80 48], must be [81 48]", "model.layers.0.mlp.down_proj.weight is [48 80], must be [48 81]"},
		},
		{
			"more layers", map[string]string{ConfigFile: edit(`"num_hidden_layers": 2`, `"num_hidden_layers": 4096`), WeightsFile: same},
			[]string{"model.layers.2.self_attn.q_proj.weight [48 48] is missing", "and 36826 more"},
		},
		{
			"vast", map[string]string{ConfigFile: edit(`"vocab_size": 200`, `"vocab_size": 16777216`), WeightsFile: same},
			[]string{"lm_head.weight is [200 48], must be [16777216 48]"},
		},
		{
			"fewer layers", map[string]string{ConfigFile: edit(`"num_hidden_layers": 2`, `"num_hidden_layers": 1`), WeightsFile: same},
			[]string{"model.layers.1.mlp.gate_proj.weight [80 48] is unexpected"},
		},
		{
			"three at once", map[string]string{ConfigFile: string(config), WeightsFile: weights(func(name string, x *Tensor) bool {
				switch name {
				case "model.norm.weight":
					x.Name = "model.morn.weight"
				case "lm_head.weight":
					x.Shape = []int{48, 200}
				}
				return true
			})},
			[]string{"model.norm.weight [48] is missing", "model.morn.weight [48] is unexpected", "lm_head.weight is [48 200], must be [200 48]"},
		},
		{
			"integers", map[string]string{ConfigFile: string(config), WeightsFile: strings.Replace(same, `"model.norm.weight":{"dtype":"F32"`, `"model.norm.weight":{"dtype":"I32"`, 1)},
			[]string{`tensor "model.norm.weight" is I32`},
		},
	} {
		dir := t.TempDir()
		put(t, dir, c.files)
		_, err := Load(dir)
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		for _, want := range append(c.want, dir) {
			if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: error %q, want one line with %q", c.name, err, want)
			}
		}
	}
}

func TestSaveErrors(t *testing.T) {
	m, err := Load(recorded)
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	for _, name := range []string{WeightsFile, ConfigFile} {
		err := Save(func(file string, contents func(io.Writer) error) error {
			if file == name {
				return full
			}
			return contents(io.Discard)
		}, struct{}{}, m)
		if err != full {
			t.Errorf("error %v when %s cannot be written", err, name)
		}
	}
	if b, err := json.Marshal(m.(*llama.Model).Config); err != nil || !json.Valid(b) {
		t.Errorf("config.json: %s, %v", b, err)
	}
}
