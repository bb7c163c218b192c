package experiments

import (
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
)

// Check composes the method of the configuration, or refuses it.
func (c *Config) Check() (lora.Method, error) { return lora.Compose(c.Method.Recipe()) }

// Check refuses a configuration that cannot be trained in this setting: a
// target that names nothing, a rank that a map or a method cannot have.
func (s *Setting) Check(c *Config) error {
	method, err := c.Check()
	if err != nil {
		return err
	}
	_, err = lora.Inject(s.Base.Clone(), method, lora.Options{
		Targets: c.Targets.Patterns(), Rank: c.Rank, Alpha: c.Alpha, Seed: c.Train.Seed,
		Gradient: func(m *adapter.Map) []float32 { return m.W0 }, // any matrix of the shape will do
	})
	return err
}
