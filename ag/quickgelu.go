package ag

// QuickGELU is y = x·σ(1.702x), element-wise, the approximation of [GELU] that
// CLIP was trained with (arXiv 1606.08415, section 2). With s = σ(1.702x),
//
//	dx = dy∘s∘(1 + 1.702x∘(1-s))
type QuickGELU struct{ swish }

// NewQuickGELU returns the operator; y has the shape of x.
func NewQuickGELU(x Tensor) *QuickGELU { return &QuickGELU{newSwish(x, 1.702)} }
