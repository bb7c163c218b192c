package verify

import "github.com/lowrank/lowrank/nn/optim"

// peftPlus is what PEFT's LoRA+ does to the updates of Adam: the rate of B, and
// of every vector, is ratio times that of the others, and biases do not decay.
type peftPlus struct{ decay, ratio float64 }

func (t peftPlus) Init(*optim.Group) optim.State { return t }

func (t peftPlus) Step(g *optim.Group, _ optim.Clock) {
	for _, p := range g.Params {
		bias := p.Role == "" || p.Role == "shift" // of the base, of the adapter
		vector := p.Role != "A" && p.Value.Rows() == 1
		w := p.Value.Floats()
		for i := range p.Update {
			if !bias {
				p.Update[i] += float32(t.decay) * w[i]
			}
			if p.Role == "B" || vector {
				p.Update[i] *= float32(t.ratio)
			}
		}
	}
}

func (peftPlus) Buffers() []optim.Buffer { return nil }
