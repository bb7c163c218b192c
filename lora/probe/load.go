package probe

import (
	"math"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
)

// gated reports whether the map weighs several experts for every token.
func gated(m *adapter.Map) bool { return m.Router != nil && m.Router.Experts(m) > 1 }

// meanGates returns the mean gate of each expert over the tokens of the last
// forward pass that are no padding, or nil where there was none.
func meanGates(m *adapter.Map) []float64 {
	if m.Gates() == nil {
		return nil
	}
	_, experts := ag.Dims(m.Gates())
	loads := make([]float64, experts)
	n := eachToken(m, func(gates []float32) {
		for e, v := range gates {
			loads[e] += float64(v)
		}
	})
	for e := range loads {
		loads[e] /= n
	}
	return loads
}

// eachToken calls f with the gates of every token that is no padding, and returns how
// many there are.
func eachToken(m *adapter.Map, f func(gates []float32)) (n float64) {
	tokens, experts := ag.Dims(m.Gates())
	gates := ag.Floats(m.Gates())
	for i := range tokens {
		if !m.Padded(i, tokens) {
			f(gates[i*experts:][:experts])
			n++
		}
	}
	return n
}

// A routing is what the gates of a batch come to.
type routing struct {
	loads []float64 // mean gates
	own   float64   // mean entropy of a token's gates, from tier 1 on
}

// routing is that of the batch of the step: it is first asked for, and kept, before
// other batches run.
func (l *layer) routing() (*routing, error) {
	return l.loads.get(l.p.tick, func(r *routing) error {
		if !gated(l.m) {
			return noRouter
		}
		if r.loads = meanGates(l.m); r.loads == nil {
			return ungated
		}
		if l.p.due&^Tier0 == 0 {
			return nil
		}
		r.own = 0
		n := eachToken(l.m, func(gates []float32) {
			for _, v := range gates {
				if v > 0 {
					r.own -= float64(v) * math.Log(float64(v))
				}
			}
		})
		r.own /= n
		return nil
	})
}

// gates returns the mean gates.
func (l *layer) gates() ([]float64, error) {
	r, err := l.routing()
	if err != nil {
		return nil, err
	}
	return r.loads, nil
}

const gatesCost = "2·tokens·experts"

var load = Metric{
	Name: "load_", Many: true, Definition: "mean gate of expert i over the tokens of the batch, padding left out", Source: "arXiv 2101.03961, section 2.2",
	Unit: "1", Range: "[0, 1], sum 1", Gauge: Invariant, Rescaling: Unsettled, Cost: gatesCost, Tier: 1,
	values: (*layer).gates,
}

var loadEntropy = Metric{
	Name: "load_entropy", Definition: "−Σ p·ln p over ln E, p the loads of the E experts: 1 where all work alike", Source: "arXiv 2101.03961, section 2.2",
	Unit: "1", Range: "[0, 1]", Gauge: Invariant, Rescaling: Unsettled, Cost: gatesCost, Tier: 1, Aggregate: Mean,
	value: func(l *layer) (float64, error) {
		loads, err := l.gates()
		if err != nil {
			return 0, err
		}
		return entropy(loads) / math.Log(float64(len(loads))), nil
	},
}

// The mutual information of token and expert, where each token is as likely as
// any other and chooses by its gates.
var specialisation = Metric{
	Name: "specialisation", Definition: "entropy of the loads less the mean entropy of a token's gates, over ln E: 0 where every token weighs the experts alike, 1 where each has one and all work alike",
	Unit: "1", Range: "[0, 1]", Gauge: Invariant, Rescaling: Unsettled, Cost: "20·tokens·experts", Tier: 1, Aggregate: Mean,
	value: func(l *layer) (float64, error) {
		r, err := l.routing()
		if err != nil {
			return 0, err
		}
		return max(entropy(r.loads)-r.own, 0) / math.Log(float64(len(r.loads))), nil
	},
}

func entropy(p []float64) (sum float64) {
	for _, v := range p {
		if v > 0 {
			sum -= v * math.Log(v)
		}
	}
	return sum
}
