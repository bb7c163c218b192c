package nn

import (
	"github.com/lowrank/lowrank/ag"
	"github.com/nlpodyssey/spago/nn"
)

// An RMSNorm is y_ij = w_j·x_ij / √(mean_j(x_ij²) + eps) (arXiv 1910.07467).
type RMSNorm struct {
	nn.Module
	Name string       // of the module: model.layers.0.input_layernorm
	W    *ag.Variable // 1×n  Name + ".weight"
	Eps  float32
}

// Forward builds the norm of each row of x, M×n.
func (n *RMSNorm) Forward(c *Context, x ag.Tensor) ag.Tensor {
	return c.Run(ag.NewRMSNorm(x, n.W, n.Eps))
}

// A LayerNorm is y_ij = w_j·(x_ij − μ_i)/√(σ_i² + eps) + b_j with the mean μ_i
// and the variance σ_i² of the row (arXiv 1607.06450).
type LayerNorm struct {
	nn.Module
	Name string       // of the module: encoder.layer.0.output.LayerNorm
	W    *ag.Variable // 1×n  Name + ".weight"
	Bias *ag.Variable // 1×n  Name + ".bias"
	Eps  float32
}

// Forward builds the norm of each row of x, M×n.
func (n *LayerNorm) Forward(c *Context, x ag.Tensor) ag.Tensor {
	return c.Run(ag.NewLayerNorm(x, n.W, n.Bias, n.Eps))
}
