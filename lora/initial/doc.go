// Package initial holds the initializers of the factors A and B, a file a
// mechanism: random draws, the singular vectors and the QR factors of the base
// weight, the singular vectors of its gradient, and those of what enters it.
//
// Every random draw comes from the stream of its map's name, so that adapting
// one more map does not change the values of another.
package initial

import (
	"math/rand/v2"

	"github.com/lowrank/lowrank/lora/adapter"
)

// None fills nothing: for deltas without free factors A and B.
type None struct{}

func (None) Needs() []adapter.Capability { return []adapter.Capability{adapter.Started} }

func (None) Provides() []adapter.Capability { return nil }

func (None) Init([]*adapter.Map, adapter.Inputs) error { return nil }

// stream returns the random stream of a factor.
func stream(in adapter.Inputs, m *adapter.Map, factor string) *rand.Rand {
	return in.Rand(m.Name + "." + factor)
}
