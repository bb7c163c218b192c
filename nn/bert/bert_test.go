package bert_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/bert"
	"github.com/lowrank/lowrank/nn/nntest/berttest"
)

// TestNames: the tensors are those that transformers saves, and all-linear
// leaves out what PEFT's leaves out.
func TestNames(t *testing.T) {
	weights := berttest.Open(t, "testdata/weights.safetensors")
	linears := func(prefix string, head ...string) []string {
		names := []string{"embeddings.word_embeddings", "embeddings.token_type_embeddings", "embeddings.position_embeddings"}
		for i := range 2 {
			for _, name := range []string{"attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense", "intermediate.dense", "output.dense"} {
				names = append(names, fmt.Sprintf("encoder.layer.%d.%s", i, name))
			}
		}
		for i := range names {
			names[i] = prefix + names[i]
		}
		return append(names, head...)
	}
	lm := linears("bert.", "cls.predictions.transform.dense", "!cls.predictions.decoder")
	for name, want := range map[string][]string{
		"classification":   linears("bert.", "bert.pooler.dense", "!classifier"),
		"masked_lm":        lm,
		"masked_lm_untied": lm,
		"model":            linears("", "pooler.dense"),
	} {
		c := berttest.Open(t, "testdata/"+name+".safetensors").Case(t)
		m := build(t, c.Config, weights)
		c.CheckNames(t, m, want...)
		if tied := m.Linears()[len(m.Linears())-1].Tied; (tied != nil) != (name == "masked_lm") {
			t.Errorf("%s: tied to %v", name, tied)
		}
	}
}

// without is a source that has no pooler.
type without struct{ nn.Source }

func (without) Has(name string) bool { return !strings.Contains(name, "pooler") }

// TestWithoutPooler: a bare model is the same without one.
func TestWithoutPooler(t *testing.T) {
	weights, f := berttest.Open(t, "testdata/weights.safetensors"), berttest.Open(t, "testdata/model.safetensors")
	var cfg bert.Config
	if err := json.Unmarshal(f.Case(t).Config, &cfg); err != nil {
		t.Fatal(err)
	}
	m, err := bert.Build(cfg, without{weights.Source("")})
	if err != nil {
		t.Fatal(err)
	}
	berttest.Check(t, f, f, m)
	if n := len(m.Params()); n != len(f.Case(t).Shapes)-2 {
		t.Errorf("%d tensors, want those of the checkpoint less the pooler's 2 of %d", n, len(f.Case(t).Shapes))
	}
}

func TestBuildErrors(t *testing.T) {
	var cfg bert.Config
	if err := json.Unmarshal([]byte(tiny), &cfg); err != nil {
		t.Fatal(err)
	}
	absent, asked := errors.New("absent"), 0
	_, err := bert.Build(cfg, nn.Floats(func(string, ...int) ([]float32, error) { asked++; return nil, absent }))
	if !errors.Is(err, absent) || asked != 3+2+16+4 {
		t.Errorf("error %v after %d tensors: want that of the source after all 25", err, asked)
	}
	for _, change := range []func(*bert.Config){
		func(c *bert.Config) { c.HiddenAct = "mish" },
		func(c *bert.Config) { c.Head = "" },
	} {
		cfg := cfg
		change(&cfg)
		if _, err := bert.Build(cfg, berttest.Zeros()); err == nil {
			t.Errorf("%+v is no error", cfg)
		}
	}
}

func TestInputErrors(t *testing.T) {
	var cfg bert.Config
	if err := json.Unmarshal([]byte(tiny), &cfg); err != nil {
		t.Fatal(err)
	}
	m, err := bert.Build(cfg, berttest.Zeros())
	if err != nil {
		t.Fatal(err)
	}
	berttest.CheckInputs(t, m, map[string]nn.Context{
		"0 token ids: must be batch·tokens":                     {},
		"3 token ids: must be batch·tokens = 1·2":               {Batch: 1, Tokens: 2, IDs: make([]int32, 3)},
		"4 tokens: must be at most max_position_embeddings = 3": {Batch: 1, Tokens: 4, IDs: make([]int32, 4)},
		"token id 5 in row 1, position 0: must lie in [0, 5)":   {Batch: 2, Tokens: 1, IDs: []int32{0, 5}},
		"token id -1": {Batch: 1, Tokens: 1, IDs: []int32{-1}},
		"token type 2 in row 0, position 1: must lie in [0, 2)": {Batch: 1, Tokens: 2, IDs: make([]int32, 2), Types: []int32{0, 2}},
		"1 token types": {Batch: 1, Tokens: 2, IDs: make([]int32, 2), Types: []int32{0}},
		"padding":       {Batch: 1, Tokens: 2, IDs: make([]int32, 2), End: []int{3}},
		"a cache":       {Batch: 1, Tokens: 2, IDs: make([]int32, 2), Cache: nn.NewCache(2)},
	})
}

// A classifier's logits of two sequences, of which the second is shorter.
func Example() {
	config := []byte(`{"architectures": ["BertForSequenceClassification"], "hidden_size": 8, "intermediate_size": 16,
		"max_position_embeddings": 32, "num_attention_heads": 2, "num_hidden_layers": 2, "vocab_size": 100, "num_labels": 3}`)
	var cfg bert.Config
	if err := json.Unmarshal(config, &cfg); err != nil {
		panic(err)
	}
	m, err := bert.Build(cfg, nn.Floats(func(name string, shape ...int) ([]float32, error) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		return make([]float32, n), nil // a checkpoint's tensor would stand here
	}))
	if err != nil {
		panic(err)
	}
	c := &nn.Context{
		Tape: ag.NewTape(), Batch: 2, Tokens: 4,
		IDs:   []int32{2, 17, 33, 3, 2, 56, 3, 0},
		First: []int{0, 0}, End: []int{4, 3},
	}
	logits := m.Forward(c)
	rows, cols := ag.Dims(logits)
	fmt.Println(m.Task(), rows, cols, len(c.Hidden))
	// Output: classification 2 3 3
}
