// Package update holds the update rules: what turns the gradients of one
// adapter's factors, taken jointly, into updates. A rule is a value whose
// Transform is a chain of nn/optim; the row of the paper is a value of it.
//
// Letters: A is r×in, B is out×r, s the scaling, G the gradient of the full
// weight (never formed), gA = s·Bᵀ·G and gB = s·G·Aᵀ the factors' gradients,
// and g̃ = s·(B·a + b·A) the change of the weight that directions a and b
// amount to, to first order.
package update

import (
	"slices"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// Group returns the tensors of the map that the rule updates jointly: its
// trained factors, and those that the rule keeps frozen but may read. These
// have no gradient and their updates stay zero.
func Group(m *adapter.Map, u adapter.Update) *optim.Group {
	g := &optim.Group{Name: m.Name, Scaling: m.Scaling}
	frozen := u.Freezes()
	for _, f := range m.Factors {
		if f.Trained || slices.Contains(frozen, f.Name) {
			g.Params = append(g.Params, &optim.Param{Name: m.Name + "." + f.Name, Role: f.Name, Value: f.Variable})
		}
	}
	return g
}
