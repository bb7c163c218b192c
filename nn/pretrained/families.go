package pretrained

import (
	"encoding/json"

	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/bert"
	"github.com/lowrank/lowrank/nn/clip"
	"github.com/lowrank/lowrank/nn/distilbert"
	"github.com/lowrank/lowrank/nn/gpt2"
	"github.com/lowrank/lowrank/nn/llama"
	"github.com/lowrank/lowrank/nn/roberta"
	"github.com/lowrank/lowrank/nn/t5"
	"github.com/lowrank/lowrank/nn/vit"
)

// A family is a model type that can be loaded.
type family struct {
	class  string // how the names of its architectures begin; "" where none has a classifier
	prefix string // of the tensors, where a head stands on them
	// read takes a configuration and returns what builds a model of it from a
	// source's tensors.
	read func(config []byte) (build, error)
}

type build func(nn.Source) (nn.Model, error)

// families are the model types that can be loaded.
var families = map[string]family{
	"bert":              {"Bert", "bert.", of(bert.Build)},
	"clip_vision_model": {"", "vision_model.", of(clip.Build)},
	"distilbert":        {"DistilBert", "distilbert.", of(distilbert.Build)},
	"gpt2":              {"GPT2", "transformer.", of(gpt2.Build)},
	"llama":             {"Llama", "model.", of(llama.Build)},
	"mistral":           {"Mistral", "model.", of(llama.Build)},
	"qwen2":             {"Qwen2", "model.", of(llama.Build)},
	"qwen3":             {"Qwen3", "model.", of(llama.Build)},
	"roberta":           {"Roberta", "roberta.", of(roberta.Build)},
	"t5":                {"", "", of(t5.Build)},
	"vit":               {"ViT", "vit.", of(vit.Build)},
}

// of returns how a package's Configuration is read and its Build called.
func of[Config any, Model nn.Model](make func(Config, nn.Source) (Model, error)) func(config []byte) (build, error) {
	return func(config []byte) (build, error) {
		var c Config
		if err := json.Unmarshal(config, &c); err != nil {
			return nil, err
		}
		if v, ok := any(&c).(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				return nil, err
			}
		}
		return func(source nn.Source) (nn.Model, error) {
			m, err := make(c, source)
			if err != nil {
				return nil, err // not a Model that is nil
			}
			return m, nil
		}, nil
	}
}
