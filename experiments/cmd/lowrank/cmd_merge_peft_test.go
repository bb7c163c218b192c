package main

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// fixture returns the folder of a model that transformers has written, with
// adapters of PEFT's, or skips the test.
func fixture(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "..", "shared", "fixtures", "models", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("shared/fixtures is not here: %v", err)
	}
	return dir
}

// recordedInputs are the token ids, the padding and the token types of a
// fixture.
func recordedInputs(t *testing.T, dir string) batch {
	t.Helper()
	s, err := pretrained.ReadSafetensors(dir + "/inputs.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	ints := func(name string) (x []int32, all []int64) {
		if _, ok := s.Shape(name); !ok {
			return nil, nil
		}
		all, err := s.Ints(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range all {
			x = append(x, int32(v))
		}
		return x, all
	}
	shape, _ := s.Shape("input_ids")
	ids, _ := ints("input_ids")
	types, _ := ints("token_type_ids")
	_, mask := ints("attention_mask")
	first, end, err := nn.Padding(mask, shape[0], shape[1])
	if err != nil {
		t.Fatal(err)
	}
	return func() *nn.Context {
		return &nn.Context{Tape: ag.NewTape(), Batch: shape[0], Tokens: shape[1], IDs: ids, Types: types, First: first, End: end}
	}
}

// nearRows compares outputs with recorded ones, but for the rows of tokens
// before a sequence, which see nothing.
func nearRows(t *testing.T, what string, c *nn.Context, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	width := len(got) / (c.Batch * c.Tokens)
	for i, w := range want {
		if width > 0 && c.First != nil {
			if row := i / width; row%c.Tokens < c.First[row/c.Tokens] {
				continue
			}
		}
		if d := math.Abs(float64(got[i]) - float64(w)); !(d <= tolerance) {
			t.Fatalf("%s[%d] is %v, want %v: off by %.2g", what, i, got[i], w, d)
		}
	}
}

// PEFT's adapters are merged as PEFT merged them: every changed tensor under the
// name, in the layout (GPT-2 has its weights as in×out) and with the values that
// were recorded, and the outputs with them. A start by singular vectors is made
// again in float64 here and was in float32 there, which gives 2e-6.
func TestMergeIsPEFTs(t *testing.T) {
	for _, model := range []string{"bert_cls", "gpt2_lm", "llama_lm"} {
		t.Run(model, func(t *testing.T) {
			base := fixture(t, model)
			inputs := recordedInputs(t, base)
			for _, name := range names(t, base+"/adapters") {
				a, out := filepath.Join(base, "adapters", name), filepath.Join(t.TempDir(), "out")
				code, text, errs := command(t, "merge", base, a, "-o", out)
				if code != exitOK {
					t.Fatalf("%s ends with %d: %q %q", name, code, text, errs)
				}
				merged, err := pretrained.ReadSafetensors(out + "/model.safetensors")
				if err != nil {
					t.Fatal(err)
				}
				recorded, err := pretrained.ReadSafetensors(a + "/outputs.safetensors")
				if err != nil {
					t.Fatal(err)
				}
				changed := 0
				for _, key := range recorded.Names() {
					tensor, ok := strings.CutPrefix(key, "merged.")
					if !ok {
						continue
					}
					changed++
					want, err := recorded.Tensor(key)
					if err != nil {
						t.Fatal(err)
					}
					got, err := merged.Tensor(tensor)
					if err != nil || !slices.Equal(got.Shape, want.Shape) {
						t.Fatalf("%s: %s is %v, want %v: %v", name, tensor, got.Shape, want.Shape, err)
					}
					nearRows(t, name+": "+tensor, &nn.Context{Batch: 1, Tokens: 1}, got.Data, want.Data, 5e-6)
				}
				if changed == 0 {
					t.Errorf("%s: no merged weight is recorded", name)
				}
				m, err := pretrained.Load(out)
				if err != nil {
					t.Fatal(err)
				}
				got, err := outputs(m, inputs)
				if err != nil {
					t.Fatal(err)
				}
				want, err := recorded.Tensor("merged_logits")
				if err != nil {
					t.Fatal(err)
				}
				nearRows(t, name+": logits", inputs(), got, want.Data, 2e-5)
			}
		})
	}
}

// Every recorded model has a batch to be compared on.
func TestMergeEveryFixture(t *testing.T) {
	dir := filepath.Dir(fixture(t, "llama_lm"))
	for _, model := range names(t, dir) {
		a := filepath.Join(dir, model, "adapters", "lora")
		if _, err := os.Stat(a); err != nil {
			continue
		}
		out := filepath.Join(t.TempDir(), "out")
		if code, _, errs := command(t, "merge", filepath.Join(dir, model), a, "-o", out); code != exitOK {
			t.Errorf("%s ends with %d: %q", model, code, errs)
		}
	}
}
