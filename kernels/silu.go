package kernels

// SiLUMul is the gate of SwiGLU, y = gate·σ(gate)·up, element by element
// (arXiv 2002.05202, eq. 6). y may be gate or up. It panics if the lengths differ.
func SiLUMul(y, gate, up []float32) {
	checkLen("SiLUMul", "gate", len(gate), "y", len(y))
	checkLen("SiLUMul", "up", len(up), "y", len(y))
	if len(y) <= grain {
		siluMul(y, gate, up)
		return
	}
	spans(len(y), func(i, j int) { siluMul(y[i:j], gate[i:j], up[i:j]) })
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
	if len(dgate) <= grain {
		siluMulGrad(dgate, dup, dy, gate, up, acc)
		return
	}
	spans(len(dgate), func(i, j int) {
		siluMulGrad(dgate[i:j], dup[i:j], dy[i:j], gate[i:j], up[i:j], acc)
	})
}
