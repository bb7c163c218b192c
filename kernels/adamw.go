package kernels

import "math"

// AdamW is one step of AdamW (arXiv 1711.05101, algorithm 2) on the weights w with
// gradient g and moments m and v, in PyTorch's order of operations:
//
//	m = beta1·m + (1-beta1)·g
//	v = beta2·v + (1-beta2)·g²
//	w = w - lr·wd·w - lr/c1 · m / (√v/√c2 + eps)
//
// where c1 = 1-beta1^t and c2 = 1-beta2^t at step t = 1, 2, …. The factors are
// float64, since 1-beta2 would lose four digits in float32. It panics if the
// lengths differ.
func AdamW(w, g, m, v []float32, lr, beta1, beta2, eps, wd, c1, c2 float64) {
	checkLen("AdamW", "g", len(g), "w", len(w))
	checkLen("AdamW", "m", len(m), "w", len(w))
	checkLen("AdamW", "v", len(v), "w", len(w))
	decay, step, invRoot := float32(1-lr*wd), float32(lr/c1), float32(1/math.Sqrt(c2))
	rest1, rest2 := float32(1-beta1), float32(1-beta2)
	if len(w) <= grain {
		adamw(w, g, m, v, decay, rest1, float32(beta2), rest2, invRoot, float32(eps), step)
		return
	}
	spans(len(w), func(i, j int) {
		adamw(w[i:j], g[i:j], m[i:j], v[i:j], decay, rest1, float32(beta2), rest2, invRoot, float32(eps), step)
	})
}
