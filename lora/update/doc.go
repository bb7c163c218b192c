// Package update holds the update rules: what turns the gradients of one
// adapter's factors, taken jointly, into updates. A rule is a value whose
// Transform is a chain of nn/optim; the row of the paper is a value of it.
//
// Letters: A is r×in, B is out×r, s the scaling, G the gradient of the full
// weight (never formed), gA = s·Bᵀ·G and gB = s·G·Aᵀ the factors' gradients,
// and g̃ = s·(B·a + b·A) the change of the weight that directions a and b
// amount to, to first order. A group holds the trained factors of one map and
// those that the rule freezes, which it may read.
package update
