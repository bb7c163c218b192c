package probe

import (
	"fmt"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
)

// gated reports whether the map weighs several experts for every token.
func gated(m *adapter.Map) bool { return m.Router != nil && m.Router.Experts(m) > 1 }

// loads returns the mean gate of each expert over the tokens of the last
// forward pass, or nil where there was none.
func (o *observed) loads() []float64 {
	g := o.m.Gates()
	if g == nil {
		return nil
	}
	tokens, experts := ag.Dims(g)
	loads := make([]float64, experts)
	for i, v := range ag.Floats(g) {
		loads[i%experts] += float64(v) / float64(tokens)
	}
	return loads
}

// load adds the load of each expert.
func (p *Probe) load(o *observed) {
	if !gated(o.m) {
		return
	}
	for i, v := range o.loads() {
		p.add(o, fmt.Sprintf("load_%d", i+1), v)
	}
}
