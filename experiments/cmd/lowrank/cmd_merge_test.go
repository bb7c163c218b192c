package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// saved writes an adapter of the model in base, whose factors are random, and
// returns its folder.
func saved(t *testing.T, base, method string, opt lora.Options) string {
	t.Helper()
	model, err := pretrained.Load(base)
	if err != nil {
		t.Fatal(err)
	}
	row, err := lora.Row(method)
	if err != nil {
		t.Fatal(err)
	}
	opt.Rank, opt.Alpha = max(opt.Rank, 3), 6
	opt.Gradient = func(m *adapter.Map) []float32 { return m.W0() }
	set, err := lora.Inject(model, row, opt)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(9, 0))
	for _, m := range set.Maps {
		for _, f := range m.Factors {
			for i := range f.Floats() {
				f.Floats()[i] += float32(0.05 * rng.NormFloat64())
			}
		}
	}
	config, weights, err := set.Files()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, b := range map[string][]byte{lora.ConfigFile: config, lora.WeightsFile: weights} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// changeFile rewrites a file.
func changeFile(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(b), 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// names lists a folder.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestMerge(t *testing.T) {
	dir, file := workplace(t)
	base, out := filepath.Join(dir, "base"), filepath.Join(dir, "merged")
	file("base/tokenizer.json", `{"a": 1}`)
	file("base/notes.txt", "not the model's")
	changeFile(t, base+"/config.json", func(b []byte) []byte {
		return bytes.Replace(b, []byte("{"), []byte(`{"dtype": "bfloat16", "transformers_version": "5.0", `), 1)
	})
	for _, method := range []string{"lora", "dora", "pissa", "adalora", "full"} {
		a := saved(t, base, method, lora.Options{})
		code, text, errs := command(t, "merge", base, a, "-o", out, "--force")
		if code != exitOK || !strings.Contains(text, "merged 7 maps of "+a) || !strings.Contains(text, "the largest error is") || !strings.Contains(text, out+": model.safetensors, tokenizer.json, config.json") {
			t.Fatalf("%s ends with %d: %q %q", method, code, text, errs)
		}
		if have, want := names(t, out), []string{"config.json", "model.safetensors", "tokenizer.json"}; !slices.Equal(have, want) {
			t.Errorf("%s: the folder holds %v, want %v", method, have, want)
		}
	}
	config, err := os.ReadFile(out + "/config.json")
	if err != nil || !bytes.Contains(config, []byte(`"dtype": "float32"`)) || !bytes.Contains(config, []byte(`"rope_theta": 10000`)) || !bytes.Contains(config, []byte(`"tie_word_embeddings": true`)) {
		t.Errorf("the configuration: %s, %v", config, err)
	}
	if code, _, errs := command(t, "merge", base, saved(t, base, "lora", lora.Options{}), "-o", out); code != exitUsage || !strings.Contains(errs, "is not empty: --force") {
		t.Errorf("into a folder that is not empty: ends with %d: %q", code, errs)
	}
	if code, _, errs := command(t, "merge", base, saved(t, base, "dora", lora.Options{}), "-o", dir+"/none", "--tolerance", "0"); code != exitFailed || !strings.Contains(errs, "the merged model is not the adapted one: outputs up to") {
		t.Errorf("without tolerance: ends with %d: %q", code, errs)
	}
	if _, err := os.Stat(dir + "/none"); err == nil {
		t.Error("something was written")
	}
}

// An adapter of the output or of the embeddings, which are one tensor in the
// base, is merged when the output may have a weight of its own; so is an output
// that was trained whole.
func TestMergeUntied(t *testing.T) {
	dir, _ := workplace(t)
	base := filepath.Join(dir, "base")
	for _, c := range []struct {
		opt   lora.Options
		untie bool
		says  string
	}{
		{lora.Options{Targets: lora.Targets{"lm_head", "q_proj"}}, true, "merged 2 maps of"},
		{lora.Options{Targets: lora.Targets{"embed_tokens"}}, true, "merged 1 maps of"},
		{lora.Options{Targets: lora.Targets{"q_proj"}, Save: []string{"lm_head"}}, false, "merged 1 maps, whole: lm_head of"},
	} {
		a, out := saved(t, base, "lora", c.opt), filepath.Join(t.TempDir(), "out")
		if c.untie {
			code, _, errs := command(t, "merge", base, a, "-o", out)
			if code != exitUsage || !strings.Contains(errs, "lm_head and model.embed_tokens are one tensor") || !strings.Contains(errs, "(--untie does so)") {
				t.Errorf("%v ends with %d: %q", c.opt.Targets, code, errs)
			}
			if _, err := os.Stat(out); err == nil {
				t.Error("something was written")
			}
		}
		code, text, errs := command(t, "merge", base, a, "-o", out, "--untie")
		if code != exitOK || !strings.Contains(text, c.says) {
			t.Fatalf("%v ends with %d: %q %q", c.opt.Targets, code, text, errs)
		}
		config, err := os.ReadFile(out + "/config.json")
		if err != nil || !bytes.Contains(config, []byte(`"tie_word_embeddings": false`)) {
			t.Errorf("%v: the configuration: %s, %v", c.opt.Targets, config, err)
		}
		file, err := pretrained.ReadSafetensors(out + "/model.safetensors")
		if err != nil {
			t.Fatal(err)
		}
		if shape, ok := file.Shape("lm_head.weight"); !ok || !slices.Equal(shape, []int{256, 32}) {
			t.Errorf("%v: lm_head.weight is %v", c.opt.Targets, shape)
		}
	}
}

func TestMergeWrongUsage(t *testing.T) {
	dir, file := workplace(t)
	base, out := filepath.Join(dir, "base"), filepath.Join(dir, "out")
	good := saved(t, base, "lora", lora.Options{})
	bad := func(change func(dir string)) string {
		d := saved(t, base, "lora", lora.Options{})
		change(d)
		return d
	}
	noConfig := bad(func(d string) { os.Remove(d + "/adapter_config.json") })
	noWeights := bad(func(d string) { os.Remove(d + "/adapter_model.safetensors") })
	cut := bad(func(d string) {
		changeFile(t, d+"/adapter_model.safetensors", func(b []byte) []byte { return b[:len(b)-5] })
	})
	garbage := bad(func(d string) {
		changeFile(t, d+"/adapter_config.json", func([]byte) []byte { return []byte("\x00\xff{") })
	})
	ranks := bad(func(d string) {
		changeFile(t, d+"/adapter_config.json", func(b []byte) []byte { return bytes.Replace(b, []byte(`"r": 3`), []byte(`"r": 5`), 1) })
	})
	empty := t.TempDir()

	// A base of the same shapes, and one of others.
	other, wider := filepath.Join(dir, "other"), filepath.Join(dir, "wider")
	for path, change := range map[string]func(b []byte) []byte{
		other: func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		wider: func(b []byte) []byte { return b },
	} {
		if err := os.MkdirAll(path, 0o777); err != nil {
			t.Fatal(err)
		}
		for _, name := range names(t, base) {
			b, err := os.ReadFile(filepath.Join(base, name))
			if err != nil {
				t.Fatal(err)
			}
			if name == "model.safetensors" {
				b = change(b)
			}
			file(filepath.Base(path)+"/"+name, string(b))
		}
	}
	changeFile(t, wider+"/config.json", func(b []byte) []byte {
		return bytes.Replace(b, []byte(`"intermediate_size": 48`), []byte(`"intermediate_size": 40`), 1)
	})
	shapes := bad(func(d string) { // without its hash it is the shapes that tell
		s, err := pretrained.ReadSafetensors(d + "/adapter_model.safetensors")
		if err != nil {
			t.Fatal(err)
		}
		var tensors []pretrained.Tensor
		for _, name := range s.Names() {
			x, err := s.Tensor(name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(name, "q_proj.lora_A") {
				x.Shape, x.Data = []int{3, 31}, x.Data[:3*31]
			}
			tensors = append(tensors, x)
		}
		changeFile(t, d+"/adapter_model.safetensors", func([]byte) []byte {
			var b bytes.Buffer
			if err := pretrained.WriteSafetensors(&b, tensors, nil); err != nil {
				t.Fatal(err)
			}
			return b.Bytes()
		})
	})
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"merge"}, []string{"merge needs the folders of a base model and of an adapter"}},
		{[]string{"merge", base, good}, []string{"-o is missing"}},
		{[]string{"merge", base, good, "-o", out, "--tolerance", "-1"}, []string{"--tolerance -1: must be at least 0"}},
		{[]string{"merge", base, good, "-o", out, "--tolerance", "NaN"}, []string{"--tolerance NaN"}},
		{[]string{"merge", base, good, "-o", base, "--force"}, []string{"is the folder that is read"}},
		{[]string{"merge", base, good, "-o", good, "--force"}, []string{"is the folder that is read"}},
		{[]string{"merge", base, good, "-o", noWeights, "--force"}, []string{"holds an adapter"}},
		{[]string{"merge", base, good, "-o", dir + "/text"}, []string{dir + "/text"}},
		{[]string{"merge", base, dir + "/nowhere", "-o", out}, []string{"nowhere/adapter_config.json"}},
		{[]string{"merge", dir + "/nowhere", good, "-o", out}, []string{"nowhere"}},
		{[]string{"merge", empty, good, "-o", out}, []string{"config.json"}},
		{[]string{"merge", base, noConfig, "-o", out}, []string{"adapter_config.json"}},
		{[]string{"merge", base, noWeights, "-o", out}, []string{"adapter_model.safetensors"}},
		{[]string{"merge", base, cut, "-o", out}, []string{"adapter_model.safetensors"}},
		{[]string{"merge", base, garbage, "-o", out}, []string{"adapter_config.json"}},
		{[]string{"merge", base, ranks, "-o", out}, []string{"[3 32]", "[5 32]"}},
		{[]string{"merge", base, shapes, "-o", out}, []string{"[3 31]", "[3 32]"}},
		{[]string{"merge", other, good, "-o", out}, []string{good + " on " + other, "base_sha256"}},
		{[]string{"merge", wider, good, "-o", out}, []string{"[48 32]", "[40 32]"}},
		{[]string{"merge", base, saved(t, base, "mola", lora.Options{}), "-o", out}, []string{"cannot be merged: its router weighs the experts"}},
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
	if _, err := os.Stat(out); err == nil {
		t.Error("wrong usage has written something")
	}
}

func TestMergedConfig(t *testing.T) {
	for _, c := range []struct {
		text   string
		untied bool
		want   map[string]any // nil: as it was
	}{
		{`{"model_type": "x", "dtype": "float32",   "big": 12345678901234567890}`, false, nil},
		{`{"torch_dtype": "float16", "big": 12345678901234567890}`, false, map[string]any{"torch_dtype": "float32", "big": json.Number("12345678901234567890")}},
		{`{"model_type": "llama"}`, true, map[string]any{"model_type": "llama", "tie_word_embeddings": false}},
		{`{"model_type": "t5"}`, true, map[string]any{"model_type": "t5", "tie_word_embeddings": false, "scale_decoder_outputs": true}},
	} {
		b, err := mergedConfig([]byte(c.text), c.untied)
		if err != nil {
			t.Fatal(err)
		}
		if c.want == nil {
			if string(b) != c.text {
				t.Errorf("%s has become %s", c.text, b)
			}
			continue
		}
		var got map[string]any
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if want, _ := json.Marshal(c.want); !bytes.Equal(mustMarshal(t, got), want) {
			t.Errorf("%s has become %s, want %s", c.text, b, want)
		}
	}
}

func mustMarshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
