package distilbert_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/distilbert"
	"github.com/lowrank/lowrank/nn/nntest/berttest"
)

// TestNames: the tensors are those that transformers saves, and all-linear
// leaves out what PEFT's leaves out.
func TestNames(t *testing.T) {
	weights := berttest.Open(t, "testdata/weights.safetensors")
	linears := func(prefix string, head ...string) []string {
		names := []string{prefix + "embeddings.word_embeddings", prefix + "embeddings.position_embeddings"}
		for i := range 2 {
			for _, name := range []string{"attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "ffn.lin1", "ffn.lin2"} {
				names = append(names, fmt.Sprintf("%stransformer.layer.%d.%s", prefix, i, name))
			}
		}
		return append(names, head...)
	}
	lm := linears("distilbert.", "vocab_transform", "!vocab_projector")
	for name, want := range map[string][]string{
		"classification":   linears("distilbert.", "pre_classifier", "!classifier"),
		"masked_lm":        lm,
		"masked_lm_untied": lm,
		"model":            linears(""),
	} {
		c := berttest.Open(t, "testdata/"+name+".safetensors").Case(t)
		m := build(t, c.Config, weights)
		c.CheckNames(t, m, want...)
		if tied := m.Linears()[len(m.Linears())-1].Tied; (tied != nil) != (name == "masked_lm") {
			t.Errorf("%s: tied to %v", name, tied)
		}
	}
}

func TestInputErrors(t *testing.T) {
	var cfg distilbert.Config
	if err := json.Unmarshal([]byte(tiny), &cfg); err != nil {
		t.Fatal(err)
	}
	m, err := distilbert.Build(cfg, berttest.Zeros())
	if err != nil {
		t.Fatal(err)
	}
	berttest.CheckInputs(t, m, map[string]nn.Context{
		"3 token ids: must be batch·tokens = 1·2":               {Batch: 1, Tokens: 2, IDs: make([]int32, 3)},
		"4 tokens: must be at most max_position_embeddings = 3": {Batch: 1, Tokens: 4, IDs: make([]int32, 4)},
		"token id 5 in row 1, position 0: must lie in [0, 5)":   {Batch: 2, Tokens: 1, IDs: []int32{0, 5}},
		"padding": {Batch: 1, Tokens: 2, IDs: make([]int32, 2), End: []int{3}},
		"a cache": {Batch: 1, Tokens: 2, IDs: make([]int32, 2), Cache: nn.NewCache(2)},
	})
}

// The last hidden state of one sequence, a row a token.
func Example() {
	config := []byte(`{"architectures": ["DistilBertModel"], "dim": 8, "hidden_dim": 16, "max_position_embeddings": 32,
		"n_heads": 2, "n_layers": 2, "vocab_size": 100}`)
	var cfg distilbert.Config
	if err := json.Unmarshal(config, &cfg); err != nil {
		panic(err)
	}
	m, err := distilbert.Build(cfg, nn.Floats(func(name string, shape ...int) ([]float32, error) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		return make([]float32, n), nil // a checkpoint's tensor would stand here
	}))
	if err != nil {
		panic(err)
	}
	features := m.Forward(&nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: 4, IDs: []int32{2, 17, 33, 3}})
	rows, cols := ag.Dims(features)
	fmt.Println(m.Task(), rows, cols)
	// Output: features 4 8
}
