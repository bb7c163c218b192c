package mlp

import (
	"fmt"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

// A Map is a linear map: its weight, Out×In.
type Map struct {
	Out, In int
	W       []float32
	Frozen  bool // a method does not see it
}

// A Problem is a network and what it is to learn: the loss is half the squared
// error of its outputs, summed over outputs, the mean over samples.
type Problem struct {
	Maps    []Map // from the input on, each as wide as the one before is high
	Samples int
	X, Y    []float32 // Samples×In of the first map, Samples×Out of the last
}

// Check returns an error where the shapes do not fit each other.
func (p *Problem) Check() error {
	if len(p.Maps) == 0 {
		return fmt.Errorf("mlp: a problem has no maps")
	}
	for i, m := range p.Maps {
		if m.Out < 1 || m.In < 1 || len(m.W) != m.Out*m.In {
			return fmt.Errorf("mlp: map %d: %d values for %d×%d", i, len(m.W), m.Out, m.In)
		}
		if i > 0 && m.In != p.Maps[i-1].Out {
			return fmt.Errorf("mlp: map %d: reads %d values, the map before has %d", i, m.In, p.Maps[i-1].Out)
		}
	}
	in, out := p.Maps[0].In, p.Maps[len(p.Maps)-1].Out
	if p.Samples < 1 || len(p.X) != p.Samples*in || len(p.Y) != p.Samples*out {
		return fmt.Errorf("mlp: %d samples of %d inputs and %d outputs: has %d and %d values", p.Samples, in, out, len(p.X), len(p.Y))
	}
	return nil
}

// Outputs returns what the maps make of X, Samples×Out; Y may be missing.
func (p *Problem) Outputs() []float32 {
	c := &nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: p.Samples}
	y := p.network().build(c, ag.NewVariable(p.Samples, p.Maps[0].In, p.X))
	return append([]float32(nil), ag.Floats(y)...)
}

// network is a network of copies of the weights.
func (p *Problem) network() *network {
	n := &network{}
	for i, m := range p.Maps {
		l := nn.NewLinear(fmt.Sprintf("map%d", i+1), m.Out, m.In, append([]float32(nil), m.W...))
		n.all = append(n.all, l)
		if !m.Frozen {
			n.seen = append(n.seen, l)
		}
	}
	return n
}

// A network is a model without tokens.
type network struct{ all, seen []*nn.Linear }

func (n *network) build(c *nn.Context, x ag.Tensor) ag.Tensor {
	for i, l := range n.all {
		if i > 0 {
			x = c.Run(ag.NewReLU(x))
		}
		x = l.Forward(c, x)
	}
	return x
}

func (n *network) Linears() []*nn.Linear         { return n.seen }
func (n *network) Forward(*nn.Context) ag.Tensor { panic("mlp: a network has no tokens") }
func (n *network) Check(*nn.Context) error       { return nil }
func (n *network) Task() nn.Task                 { return nn.Features }
func (n *network) Clone() nn.Model               { panic("mlp: a network is not cloned") }
func (n *network) Params() (params []nn.Param) {
	for _, l := range n.all {
		params = append(params, nn.Param{Name: l.Name + ".weight", Variable: l.W, Shape: []int{l.Out, l.In}})
	}
	return params
}
