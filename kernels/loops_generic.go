package kernels

import "math"

// The loops in plain Go: the reference of every level. Transcendental functions
// are computed in float64 and rounded once. A conversion around a product keeps the
// compiler from fusing it with a sum, on the architectures where it may.

func dotGeneric(x, y []float32) float64 {
	y = y[:len(x)]
	var s float64
	for i, v := range x {
		s += float64(v) * float64(y[i])
	}
	return s
}

func dot3Generic(x, y, z []float32) float64 {
	y, z = y[:len(x)], z[:len(x)]
	var s float64
	for i, v := range x {
		s += float64(float64(v) * float64(y[i]) * float64(z[i]))
	}
	return s
}

func maximumGeneric(x []float32) float32 {
	m := float32(math.Inf(-1))
	for _, v := range x {
		if v > m {
			m = v
		}
	}
	return m
}

func axpyGeneric(alpha float32, x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += float32(alpha * v)
	}
}

func scaleGeneric(y []float32, alpha float32, x []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = alpha * v
	}
}

func normWeightsGeneric(dw, db, x, dy []float32, alpha, shift float32) {
	db, x, dy = db[:len(dw)], x[:len(dw)], dy[:len(dw)]
	for i := range dw {
		dw[i] += float32(float32(alpha*(x[i]-shift)) * dy[i])
		db[i] += dy[i]
	}
}

func addGeneric(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

func mulGeneric(dst []float32, alpha float32, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] = alpha * a[i] * b[i]
	}
}

func mulAddGeneric(dst []float32, alpha float32, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] += float32(alpha * a[i] * b[i])
	}
}

func expShiftGeneric(y, x []float32, scale, shift float32) float64 {
	y = y[:len(x)]
	var s float64
	for i, v := range x {
		e := float32(math.Exp(float64(scale)*float64(v) - float64(shift)))
		y[i] = e
		s += float64(e)
	}
	return s
}

func siluMulGeneric(y, gate, up []float32) {
	gate, up = gate[:len(y)], up[:len(y)]
	for i := range y {
		g := float64(gate[i])
		y[i] = float32(g * sigmoid(g) * float64(up[i]))
	}
}

func siluMulGradGeneric(dgate, dup, dy, gate, up []float32, acc bool) {
	n := len(dgate)
	dup, dy, gate, up = dup[:n], dy[:n], gate[:n], up[:n]
	for i := range dgate {
		d, g, u := float64(dy[i]), float64(gate[i]), float64(up[i])
		s := sigmoid(g)
		dg, du := float32(d*u*s*(1+g*(1-s))), float32(d*g*s)
		if acc {
			dg += dgate[i]
			du += dup[i]
		}
		dgate[i], dup[i] = dg, du
	}
}

func geluGeneric(y, x []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = float32(float64(v) * normalCDF(float64(v)))
	}
}

func geluGradGeneric(dx, dy, x []float32, acc bool) {
	dx, dy = dx[:len(x)], dy[:len(x)]
	for i, v := range x {
		t := clampGELU(float64(v))
		pdf := math.Exp(-t*t/2) / math.Sqrt(2*math.Pi)
		d := float32(float64(dy[i]) * (normalCDF(t) + t*pdf))
		if acc {
			d += dx[i]
		}
		dx[i] = d
	}
}

func geluTanhGeneric(y, x []float32) {
	y = y[:len(x)]
	for i, v := range x {
		t := float64(v)
		y[i] = float32(t * sigmoid(geluC1*(t+geluC3*t*t*t)))
	}
}

func geluTanhGradGeneric(dx, dy, x []float32, acc bool) {
	dx, dy = dx[:len(x)], dy[:len(x)]
	for i, v := range x {
		t := clampGELU(float64(v))
		s := sigmoid(geluC1 * (t + geluC3*t*t*t))
		d := float32(float64(dy[i]) * (s + t*s*(1-s)*geluC1*(1+3*geluC3*t*t)))
		if acc {
			d += dx[i]
		}
		dx[i] = d
	}
}

func adamwGeneric(w, g, m, v []float32, decay, rest1, beta2, rest2, invRoot, eps, step float32) {
	g, m, v = g[:len(w)], m[:len(w)], v[:len(w)]
	for i := range w {
		m[i] += float32(rest1 * (g[i] - m[i]))
		v[i] = float32(beta2*v[i]) + float32(rest2*float32(g[i]*g[i]))
		root := float32(math.Sqrt(float64(v[i])))
		w[i] = float32(decay*w[i]) - float32(step*(m[i]/(float32(root*invRoot)+eps)))
	}
}

// tanh-GELU is x·σ(c1·(x + c3·x³)), since ½(1 + tanh u) = σ(2u); c1 = 2√(2/π).
const (
	geluC1 = 1.5957691216057307117597842397375
	geluC3 = 0.044715
)

// clampGELU keeps x where the slopes of both GELUs are not yet 0 or 1 to the last
// bit, so that they are also at ±Inf.
func clampGELU(x float64) float64 { return max(-32, min(x, 32)) }

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// normalCDF is Φ(x); through erfc, so that the lower tail keeps its digits.
func normalCDF(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }
