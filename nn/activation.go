package nn

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/ag"
)

// An Activation builds an element-wise function of x.
type Activation func(c *Context, x ag.Tensor) ag.Tensor

// activations are those of transformers' configurations, by its names.
var activations = map[string]Activation{
	"gelu":              func(c *Context, x ag.Tensor) ag.Tensor { return c.Run(ag.NewGELU(x)) },
	"gelu_new":          func(c *Context, x ag.Tensor) ag.Tensor { return c.Run(ag.NewGELUTanh(x)) },
	"gelu_pytorch_tanh": func(c *Context, x ag.Tensor) ag.Tensor { return c.Run(ag.NewGELUTanh(x)) },
	"quick_gelu":        func(c *Context, x ag.Tensor) ag.Tensor { return c.Run(ag.NewQuickGELU(x)) },
	"relu":              func(c *Context, x ag.Tensor) ag.Tensor { return c.Run(ag.NewReLU(x)) },
	"silu":              func(c *Context, x ag.Tensor) ag.Tensor { return c.Run(ag.NewSiLU(x)) },
	"swish":             func(c *Context, x ag.Tensor) ag.Tensor { return c.Run(ag.NewSiLU(x)) },
	"tanh":              func(c *Context, x ag.Tensor) ag.Tensor { return c.Run(ag.NewTanh(x)) },
}

// ActivationOf returns the activation that transformers' configurations call
// name.
func ActivationOf(name string) (Activation, error) {
	if f, ok := activations[name]; ok {
		return f, nil
	}
	return nil, fmt.Errorf("%q is no activation known here; there are: %s", name, strings.Join(slices.Sorted(maps.Keys(activations)), ", "))
}
