package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn/pretrained"
)

func TestConvert(t *testing.T) {
	dir, _ := workplace(t)
	base := filepath.Join(dir, "base")
	for _, c := range []struct {
		method string
		flags  []string
		rank   int // 0: any
	}{
		{"lora", nil, 3},
		{"pissa", nil, 6},
		{"adalora", nil, 5}, // starts at half more
		{"vera", nil, 3},
		{"dora", []string{"--rank", "4"}, 4},
		{"hira", []string{"--energy", "0.9"}, 0},
		{"pissa", []string{"--rank", "2"}, 2},
	} {
		a, out := saved(t, base, c.method, lora.Options{}), filepath.Join(t.TempDir(), "out")
		changeFile(t, a+"/adapter_config.json", func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"task_type": null`), []byte(`"task_type": "CAUSAL_LM"`), 1)
		})
		args := append([]string{"convert", a, "--base", base, "-o", out}, c.flags...)
		code, text, errs := command(t, args...)
		if code != exitOK || !strings.Contains(text, "MAP") || !strings.Contains(text, out+": plain LoRA of 7 maps, the largest residual") {
			t.Fatalf("%s ends with %d: %q %q", c.method, code, text, errs)
		}
		config, err := os.ReadFile(out + "/adapter_config.json")
		if err != nil || !bytes.Contains(config, []byte(`"task_type": "CAUSAL_LM"`)) || !bytes.Contains(config, []byte(`"peft_type": "LORA"`)) {
			t.Errorf("%s: the configuration: %s, %v", c.method, config, err)
		}
		if _, _, err := adapted(base, out); err != nil {
			t.Errorf("%s: %v", c.method, err)
		}
		var rows []conversionRow
		if code, text, _ := command(t, append(args, "--json", "--force")...); code != exitOK || json.Unmarshal([]byte(text), &rows) != nil || len(rows) != 7 {
			t.Fatalf("%s: --json ends with %d: %q", c.method, code, text)
		}
		for _, r := range rows {
			if c.flags == nil && (r.Energy != 1 || r.Residual > 1e-6) || c.rank > 0 && r.Rank != c.rank || r.Energy > 1 || r.Rank < 1 || r.Residual >= 1 {
				t.Errorf("%s: %+v", c.method, r)
			}
			if c.method == "hira" && r.Energy < 0.9 {
				t.Errorf("%s: %+v", c.method, r)
			}
		}
	}
}

func TestConvertWrongUsage(t *testing.T) {
	dir, _ := workplace(t)
	base, out := filepath.Join(dir, "base"), filepath.Join(dir, "out")
	good, dora := saved(t, base, "lora", lora.Options{}), saved(t, base, "dora", lora.Options{})
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"convert"}, []string{"convert needs the folder of an adapter"}},
		{[]string{"convert", good, "-o", out}, []string{"--base is missing"}},
		{[]string{"convert", good, "--base", base}, []string{"-o is missing"}},
		{[]string{"convert", good, "--base", base, "-o", out, "--rank", "0"}, []string{"--rank 0: must be at least 1"}},
		{[]string{"convert", good, "--base", base, "-o", out, "--energy", "1.01"}, []string{"--energy 1.01: must be above 0, at most 1"}},
		{[]string{"convert", good, "--base", base, "-o", out, "--energy", "NaN"}, []string{"--energy NaN"}},
		{[]string{"convert", good, "--base", base, "-o", out, "--rank", "2", "--energy", "0.5"}, []string{"--rank and --energy: choose one"}},
		{[]string{"convert", good, "--base", base, "-o", good, "--force"}, []string{"is the folder that is read"}},
		{[]string{"convert", good, "--base", base, "-o", dora}, []string{"is not empty: --force"}},
		{[]string{"convert", dir + "/nowhere", "--base", base, "-o", out}, []string{"nowhere"}},
		{[]string{"convert", good, "--base", dir + "/nowhere", "-o", out}, []string{"nowhere"}},
		{[]string{"convert", dora, "--base", base, "-o", out}, []string{"not of low rank", "give --rank or --energy"}},
		{[]string{"convert", saved(t, base, "lora-moe", lora.Options{}), "--base", base, "-o", out, "--rank", "2"}, []string{"router lora-moe weighs its experts"}},
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

// PEFT's adapters have the recorded outputs once they are plain LoRA: by
// factors, or at full rank. PiSSA's is at twice the rank on the base as it is,
// as PEFT converts it.
func TestConvertIsPEFTs(t *testing.T) {
	for _, model := range []string{"bert_cls", "gpt2_lm", "llama_lm"} {
		t.Run(model, func(t *testing.T) {
			base := fixture(t, model)
			inputs := recordedInputs(t, base)
			for _, name := range names(t, base+"/adapters") {
				a, out := filepath.Join(base, "adapters", name), filepath.Join(t.TempDir(), "out")
				args := []string{"convert", a, "--base", base, "-o", out}
				if name == "dora" {
					args = append(args, "--energy", "1")
				}
				if code, _, errs := command(t, args...); code != exitOK {
					t.Fatalf("%s ends with %d: %q", name, code, errs)
				}
				m, set, err := adapted(base, out)
				if err != nil {
					t.Fatal(err)
				}
				got, err := outputs(m, inputs)
				if err != nil {
					t.Fatal(err)
				}
				recorded, err := pretrained.ReadSafetensors(a + "/outputs.safetensors")
				if err != nil {
					t.Fatal(err)
				}
				want, err := recorded.Tensor("logits")
				if err != nil {
					t.Fatal(err)
				}
				nearRows(t, name+": logits", inputs(), got, want.Data, 2e-5)

				peft, err := os.ReadFile(a + "/converted_to_lora/adapter_config.json")
				if err != nil {
					continue
				}
				var config struct{ R int }
				if err := json.Unmarshal(peft, &config); err != nil || set.Maps[0].Rank != config.R {
					t.Errorf("%s: rank %d, PEFT's is %d: %v", name, set.Maps[0].Rank, config.R, err)
				}
			}
		})
	}
}
