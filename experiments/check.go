package experiments

import (
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn/llama"
)

// Check composes the method of the configuration, or refuses it.
func (c *Config) Check() (lora.Method, error) { return lora.Compose(c.Method.Recipe()) }

// options are how the method is injected.
func (s *Setting) options(c *Config) lora.Options {
	return lora.Options{
		Targets: c.Targets.Patterns(), Exclude: lora.Targets(c.Exclude), Blocks: c.Blocks,
		Save: s.saved(c), Bias: lora.Biases(c.Bias),
		Rank: c.Rank, Alpha: c.Alpha, Dropout: c.Dropout,
		RankPattern: c.RankPattern, AlphaPattern: c.AlphaPattern, Seed: c.Train.Seed,
	}
}

// checkUntrained is [Setting.Check] on the study's own model as it is before its
// pretraining: its names and shapes are those of after.
func checkUntrained(c *Config, p Pretraining) error {
	model, err := llama.New(p.Model, p.Seed)
	if err != nil {
		return err
	}
	_, err = (&Setting{Base: model}).Check(c)
	return err
}

// Check refuses a configuration that cannot be trained in this setting: a
// target that names nothing, a rank that a map or a method cannot have. It
// returns the adapters that there would be, without making their start: where
// that gives maps other ranks, they have the configured one.
func (s *Setting) Check(c *Config) (*lora.Set, error) {
	method, err := c.Check()
	if err != nil {
		return nil, err
	}
	options := s.options(c)
	options.Dry = true
	return lora.Inject(s.Base.Clone(), method, options)
}
