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

// A family reads its configuration and returns what builds a model of it from
// a source's tensors.
type family func(config []byte) (func(nn.Source) (nn.Model, error), error)

// families are the model types that can be loaded.
var families = map[string]family{
	"bert":              of(bert.Build),
	"clip_vision_model": of(clip.Build),
	"distilbert":        of(distilbert.Build),
	"gpt2":              of(gpt2.Build),
	"llama":             of(llama.Build),
	"mistral":           of(llama.Build),
	"qwen2":             of(llama.Build),
	"qwen3":             of(llama.Build),
	"roberta":           of(roberta.Build),
	"t5":                of(t5.Build),
	"vit":               of(vit.Build),
}

// of returns the family of a package's Build.
func of[Config any, Model nn.Model](build func(Config, nn.Source) (Model, error)) family {
	return func(config []byte) (func(nn.Source) (nn.Model, error), error) {
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
			m, err := build(c, source)
			if err != nil {
				return nil, err // not a Model that is nil
			}
			return m, nil
		}, nil
	}
}
