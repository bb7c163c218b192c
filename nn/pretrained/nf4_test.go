package pretrained

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/nn"
)

// keptFolder writes the recorded model in NF4, and what change makes of its
// tensors, into a folder.
func keptFolder(t *testing.T, m nn.Model, change func([]Raw) []Raw) string {
	t.Helper()
	dir := t.TempDir()
	tensors, err := KeptTensors(m)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		tensors = change(tensors)
	}
	var b bytes.Buffer
	if err := WriteRaw(&b, tensors, nil); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(recorded, ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(config, &fields); err != nil {
		t.Fatal(err)
	}
	fields["quantization_config"] = map[string]any{"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4"}
	if config, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	for name, contents := range map[string][]byte{WeightsFile: b.Bytes(), ConfigFile: config} {
		if err := os.WriteFile(filepath.Join(dir, name), contents, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What is written in NF4 is read as it was, whether it is then kept so or not, and
// mapped: no weight is rounded again.
func TestNF4Files(t *testing.T) {
	m, err := LoadKept(recorded, kernels.NF4, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := keptFolder(t, m, nil)
	want := forward(t, m)
	for name, load := range map[string]func() (nn.Model, error){
		"kept":  func() (nn.Model, error) { return LoadKept(dir, kernels.NF4, nil) },
		"plain": func() (nn.Model, error) { return Load(dir) },
	} {
		again, err := load()
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range again.Params() {
			if have, want := p.Values(), m.Params()[i].Values(); !reflect.DeepEqual(have, want) {
				t.Errorf("%s: %s is read otherwise", name, p.Name)
			}
		}
		if !reflect.DeepEqual(forward(t, again), want) {
			t.Errorf("%s: other outputs", name)
		}
	}
	f, err := readSafetensors(filepath.Join(dir, WeightsFile), 1)
	if err != nil {
		t.Fatal(err)
	}
	c := &Checkpoint{holder: map[string]*Safetensors{}}
	for _, name := range f.Names() {
		c.holder[name] = f
	}
	const weight = "model.layers.0.self_attn.q_proj.weight"
	s, err := c.NF4(weight)
	if err != nil {
		t.Fatal(err)
	}
	_, raw, err := c.Raw(weight)
	if err != nil || &raw[0] != &s.NF4.Codes[0] {
		t.Errorf("the codes are a copy of the mapping's, %v", err)
	}
}

// A weight in NF4 whose parts do not fit is an error that names it and the part.
func TestNF4FileErrors(t *testing.T) {
	m, err := LoadKept(recorded, kernels.NF4, nil)
	if err != nil {
		t.Fatal(err)
	}
	const weight = "model.layers.0.self_attn.q_proj.weight"
	edit := func(end string, f func(*Raw)) func([]Raw) []Raw {
		return func(list []Raw) []Raw {
			for i := range list {
				if list[i].Name == weight+end {
					f(&list[i])
				}
			}
			return list
		}
	}
	text := func(old, new string) func(*Raw) {
		return func(t *Raw) {
			t.Bytes = bytes.Replace(t.Bytes, []byte(old), []byte(new), 1)
			t.Shape = []int{len(t.Bytes)}
		}
	}
	for name, c := range map[string]struct {
		change func([]Raw) []Raw
		want   string
	}{
		"fewer codes":   {edit("", func(t *Raw) { t.Bytes, t.Shape = t.Bytes[1:], []int{len(t.Bytes) - 1, 1} }), "is U8 of"},
		"floats":        {edit(absmaxEnd, func(t *Raw) { *t = Raw{t.Name, []int{1}, "F32", make([]byte, 4)} }), "absmax is F32 of 4 bytes: must be U8"},
		"other numbers": {edit(mapEnd, func(t *Raw) { t.Bytes = append(make([]byte, 4), t.Bytes[4:]...) }), "quant_map"},
		"other blocks":  {edit(stateEnd, text(`"blocksize":64`, `"blocksize":128`)), "blocks of 128"},
		"other shape":   {edit(stateEnd, text(`"shape":[`, `"shape":[-`)), "must be out×in"},
		"no JSON":       {edit(stateEnd, text(`{`, `[`)), "quant_state"},
		"of one too many": {func(list []Raw) []Raw {
			return append(list, Raw{"stray.weight.absmax", []int{1}, "U8", []byte{1}})
		}, "stray.weight.absmax [1] is unexpected"},
	} {
		_, err := Load(keptFolder(t, m, c.change))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	int8s, err := LoadKept(recorded, kernels.Int8, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := KeptTensors(int8s); err == nil || !strings.Contains(err.Error(), "kept as int8") {
		t.Errorf("int8: %v", err)
	}
}
