package verify

import (
	"strings"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

// twoLayers is the recorded net lin2(tanh(lin1(x))) with what it learns.
type twoLayers struct {
	net
	target []float32
}

// openTwoLayers builds the net on its recorded weights, which an adapter's
// start may have left another base of.
func openTwoLayers(t tensors) (*twoLayers, error) {
	two := &twoLayers{}
	recorded := func(module, name string) string {
		delete(t[0].left, "base."+module+"."+name) // where both are there
		return t.first("param."+module+".base_layer."+name, "base."+module+"."+name)
	}
	b := nn.NewBuilder(nn.Floats(func(name string, shape ...int) ([]float32, error) {
		module, last, _ := strings.Cut(name, ".")
		return t.shaped(recorded(module, last), shape)
	}))
	var maps [2]*nn.Linear
	for i, module := range []string{"lin1", "lin2"} {
		name := recorded(module, "weight")
		w, err := t.take(name)
		if err != nil {
			return nil, err
		}
		if len(w.Shape) != 2 {
			return nil, t.wrong(name, "is %v: not the weight of a linear map", w.Shape)
		}
		maps[i] = b.Linear(module, w.Shape[0], w.Shape[1], t.has(recorded(module, "bias")))
	}
	var err error
	if two.Body, err = b.Body(); err != nil {
		return nil, err
	}
	x, err := t.take("x")
	if err != nil {
		return nil, err
	}
	if len(x.Shape) != 2 || x.Shape[1] != maps[0].In || maps[1].In != maps[0].Out {
		return nil, t.wrong("x", "is %v, for maps %d×%d and %d×%d", x.Shape, maps[0].Out, maps[0].In, maps[1].Out, maps[1].In)
	}
	if two.target, err = t.shaped("target", []int{x.Shape[0], maps[1].Out}); err != nil {
		return nil, err
	}
	rows := ag.NewVariable(x.Shape[0], x.Shape[1], x.Data)
	two.forward = func(c *nn.Context) ag.Tensor {
		return maps[1].Forward(c, c.Run(ag.NewTanh(maps[0].Forward(c, rows))))
	}
	return two, nil
}
