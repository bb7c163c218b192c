package initial

import "github.com/lowrank/lowrank/lora/adapter"

// Embedding is the start of an embedding's factors, whatever the other maps'
// is: B from N(0, 1), and A, of which training reaches the columns of the ids
// that it sees, at zero, as PEFT does. The function is the base's.
type Embedding struct{}

func (Embedding) Needs() []adapter.Capability {
	return []adapter.Capability{adapter.Pair, adapter.TrainedPair}
}

func (Embedding) Provides() []adapter.Capability { return nil }

func (Embedding) Init(maps []*adapter.Map, in adapter.Inputs) error {
	for _, m := range maps {
		rng, b := stream(in, m, "B"), m.Factor("B").Floats()
		for i := range b {
			b[i] = float32(rng.NormFloat64())
		}
		clear(m.Factor("A").Floats())
	}
	return nil
}
