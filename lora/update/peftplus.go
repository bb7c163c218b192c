package update

import (
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/nn/optim"
)

// PEFTPlus is the end of a chain that makes LoRA+ of it as PEFT groups the
// parameters: all decay but the biases and norms of the base and the bias of
// B, and the learning rate of B, and of every vector too (biases, norms, the
// magnitude of DoRA), is Ratio times that of the others. PEFT gives trained
// tables a rate of their own, which a chain cannot: it knows no rates.
type PEFTPlus struct {
	Decay, Ratio float64
}

// Init returns a state without memory.
func (t PEFTPlus) Init(*optim.Group) optim.State { return peftPlusState{t} }

type peftPlusState struct{ PEFTPlus }

func (s peftPlusState) Step(g *optim.Group, _ optim.Clock) {
	for _, p := range g.Params {
		// A factor of one row is no vector: A at rank 1, a weight of one output.
		vector := p.Value.Rows() == 1 && p.Role != "A" && p.Role != "W"
		if bias := p.Role == "shift" || p.Role == "" && vector; !bias && s.Decay != 0 {
			kernels.Axpy(float32(s.Decay), p.Value.Floats(), p.Update)
		}
		if p.Role == "B" || vector {
			kernels.Scale(float32(s.Ratio), p.Update)
		}
	}
}

func (peftPlusState) Buffers() []optim.Buffer { return nil }
