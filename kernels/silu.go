package kernels

// SiLUMul is the gate of SwiGLU, y = gate·σ(gate)·up, element by element
// (arXiv 2002.05202, eq. 6). y may be gate or up. It panics if the lengths differ.
func SiLUMul(y, gate, up []float32) {
	checkLen("SiLUMul", "gate", len(gate), "y", len(y))
	checkLen("SiLUMul", "up", len(up), "y", len(y))
	siluMulSpans.elements(len(y), vectors{y: y, a: gate, b: up})
}

// SiLUMulGrad is the gradient of SiLUMul: with s = σ(gate),
//
//	dgate = dy·up·s·(1 + gate·(1-s))
//	dup   = dy·gate·s
//
// added to dgate and dup if acc is set. It panics if the lengths differ.
func SiLUMulGrad(dgate, dup, dy, gate, up []float32, acc bool) {
	checkLen("SiLUMulGrad", "dup", len(dup), "dgate", len(dgate))
	checkLen("SiLUMulGrad", "dy", len(dy), "dgate", len(dgate))
	checkLen("SiLUMulGrad", "gate", len(gate), "dgate", len(dgate))
	checkLen("SiLUMulGrad", "up", len(up), "dgate", len(dgate))
	siluMulGradSpans.elements(len(dgate), siluMulGradient{dgate, dup, dy, gate, up, acc})
}

type siluMulGradient struct {
	dgate, dup, dy, gate, up []float32
	acc                      bool
}

var (
	siluMulSpans     = spans[vectors]{body: func(v vectors, i, j int) { siluMul(v.y[i:j], v.a[i:j], v.b[i:j]) }}
	siluMulGradSpans = spans[siluMulGradient]{body: func(g siluMulGradient, i, j int) {
		siluMulGrad(g.dgate[i:j], g.dup[i:j], g.dy[i:j], g.gate[i:j], g.up[i:j], g.acc)
	}}
)
