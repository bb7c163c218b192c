package ag

// SiLU is y = x·σ(x), element-wise (arXiv 1606.08415, section 4). With s = σ(x),
//
//	dx = dy∘s∘(1 + x∘(1-s))
type SiLU struct{ swish }

// NewSiLU returns the operator; y has the shape of x.
func NewSiLU(x Tensor) *SiLU { return &SiLU{newSwish(x, 1)} }
