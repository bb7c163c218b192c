package roberta_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/nntest"
	"github.com/lowrank/lowrank/nn/nntest/berttest"
	"github.com/lowrank/lowrank/nn/roberta"
)

// TestNames: the tensors are those that transformers saves, and all-linear
// leaves out what PEFT leaves alone.
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
	lm := linears("roberta.", "lm_head.dense", "!lm_head.decoder")
	for name, want := range map[string][]string{
		"classification":   linears("roberta.", "!classifier.dense", "!classifier.out_proj"),
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

func tinyModel(t *testing.T) *roberta.Model {
	t.Helper()
	var cfg roberta.Config
	if err := json.Unmarshal([]byte(tiny), &cfg); err != nil {
		t.Fatal(err)
	}
	m, err := roberta.Build(cfg, berttest.Zeros())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestInputErrors(t *testing.T) {
	berttest.CheckInputs(t, tinyModel(t), map[string]nn.Context{
		"3 token ids: must be batch·tokens = 1·2":       {Batch: 1, Tokens: 2, IDs: make([]int32, 3)},
		"token id 6 in row 1, position 0":               {Batch: 2, Tokens: 1, IDs: []int32{0, 6}},
		"row 1 has more than 3 tokens that are not pad": {Batch: 2, Tokens: 4, IDs: []int32{1, 2, 2, 2, 2, 2, 2, 2}},
		"token type 2": {Batch: 1, Tokens: 2, IDs: make([]int32, 2), Types: []int32{0, 2}},
		"padding":      {Batch: 1, Tokens: 2, IDs: make([]int32, 2), End: []int{3}},
		"a cache":      {Batch: 1, Tokens: 2, IDs: make([]int32, 2), Cache: nn.NewCache(2)},
	})
}

// TestPadding: padding takes no position, so that a sequence may be longer than
// there are positions, and what stands before or behind it changes nothing.
func TestPadding(t *testing.T) {
	weights, f := berttest.Open(t, "testdata/weights.safetensors"), berttest.Open(t, "testdata/masked_lm.safetensors")
	m := build(t, f.Case(t).Config, weights)
	pad, ids := int32(m.Config.PadTokenID), []int32{17, 4, 30, 8}
	alone := ag.Floats(nntest.Forward(t, m, &nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: len(ids), IDs: ids}))
	for _, first := range []int{0, 13, 26} {
		c := &nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: 30, IDs: make([]int32, 30), First: []int{first}, End: []int{first + len(ids)}}
		for i := range c.IDs {
			c.IDs[i] = pad
		}
		copy(c.IDs[first:], ids)
		y := ag.Floats(nntest.Forward(t, m, c))
		nntest.EqualBits(t, fmt.Sprintf("%d tokens of padding before", first), y[first*m.Config.VocabSize:][:len(alone)], alone)
	}
}

// A masked language model's logits of one sequence.
func Example() {
	config := []byte(`{"architectures": ["RobertaForMaskedLM"], "hidden_size": 8, "intermediate_size": 16, "max_position_embeddings": 34,
		"num_attention_heads": 2, "num_hidden_layers": 2, "pad_token_id": 1, "type_vocab_size": 1, "vocab_size": 100}`)
	var cfg roberta.Config
	if err := json.Unmarshal(config, &cfg); err != nil {
		panic(err)
	}
	m, err := roberta.Build(cfg, nn.Floats(func(name string, shape ...int) ([]float32, error) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		return make([]float32, n), nil // a checkpoint's tensor would stand here
	}))
	if err != nil {
		panic(err)
	}
	logits := m.Forward(&nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: 4, IDs: []int32{0, 99, 33, 2}})
	rows, cols := ag.Dims(logits)
	fmt.Println(m.Task(), rows, cols)
	// Output: token 4 100
}
