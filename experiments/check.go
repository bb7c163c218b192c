package experiments

import (
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
)

// Check composes the method of the configuration, or refuses it.
func (c *Config) Check() (lora.Method, error) { return lora.Compose(c.Method.Recipe()) }

// options are how the method is injected.
func (s *Setting) options(c *Config) lora.Options {
	return lora.Options{
		Targets: c.Targets.Patterns(), Exclude: lora.Targets(c.Exclude), Blocks: c.Blocks,
		Save: s.saved(c), Bias: lora.Biases(c.Bias),
		Rank: c.Rank, Alpha: c.Alpha,
		RankPattern: c.RankPattern, AlphaPattern: c.AlphaPattern, Seed: c.Train.Seed,
	}
}

// white are the moments of inputs and gradients that are white noise.
func white(m *adapter.Map) *adapter.Moments {
	x := &adapter.Moments{
		Rows: 1, Mean: make([]float64, m.In), Output: make([]float64, m.Out),
		Second: make([]float64, m.In*m.In), Scaled: make([]float64, m.In*m.In),
	}
	for i := range m.In {
		x.Second[i*m.In+i], x.Scaled[i*m.In+i] = 1, 1
	}
	for i := range x.Output {
		x.Output[i] = 1
	}
	return x
}

// Check refuses a configuration that cannot be trained in this setting: a
// target that names nothing, a rank that a map or a method cannot have. It
// returns the adapters that there would be.
func (s *Setting) Check(c *Config) (*lora.Set, error) {
	method, err := c.Check()
	if err != nil {
		return nil, err
	}
	options := s.options(c)
	options.Gradient = func(m *adapter.Map) []float32 { return m.W0() } // any matrix of the shape will do
	options.Moments = white
	return lora.Inject(s.Base.Clone(), method, options)
}
