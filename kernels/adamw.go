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
	adamwSpans.elements(len(w), adamwStep{
		w: w, g: g, m: m, v: v,
		decay: float32(1 - lr*wd), rest1: float32(1 - beta1), beta2: float32(beta2), rest2: float32(1 - beta2),
		invRoot: float32(1 / math.Sqrt(c2)), eps: float32(eps), step: float32(lr / c1),
	})
}

type adamwStep struct {
	w, g, m, v                                     []float32
	decay, rest1, beta2, rest2, invRoot, eps, step float32
}

var adamwSpans = spans[adamwStep]{body: func(s adamwStep, i, j int) {
	adamw(s.w[i:j], s.g[i:j], s.m[i:j], s.v[i:j], s.decay, s.rest1, s.beta2, s.rest2, s.invRoot, s.eps, s.step)
}}
