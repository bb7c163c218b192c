package initial

import (
	"fmt"
	"math"

	"github.com/lowrank/lowrank/lora/adapter"
)

// momentsOf returns what calibration has of the map, or refuses it.
func momentsOf(m *adapter.Map, in adapter.Inputs) (*adapter.Moments, error) {
	x := in.Moments(m)
	switch {
	case x == nil:
		return nil, fmt.Errorf("initial: %s: calibration has no activations of it", m.Name)
	case x.Rows < 1 || len(x.Mean) != m.In || len(x.Second) != m.In*m.In || len(x.Scaled) != m.In*m.In:
		return nil, fmt.Errorf("initial: %s: its activations are %d rows of %d values, the weight is %d×%d", m.Name, x.Rows, len(x.Mean), m.Out, m.In)
	}
	for i, v := range x.Second {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("initial: %s: its activations have the moment %v at (%d, %d)", m.Name, v, i/m.In, i%m.In)
		}
	}
	return x, nil
}
