package kernels

import "math"

func tanhGeneric(y, x []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = float32(math.Tanh(float64(v)))
	}
}

func erfGeneric(y, x []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = float32(math.Erf(float64(v)))
	}
}

func rotateHeadsGeneric(y, x, cos, sin []float32, sign float32, acc bool) {
	h := len(cos)
	for ; len(y) > 0; y, x = y[2*h:], x[2*h:] {
		y1, y2, x1, x2, sin := y[:h], y[h:2*h], x[:h], x[h:2*h], sin[:h]
		for i, c := range cos {
			s := sign * sin[i]
			a, b := float32(x1[i]*c)-float32(x2[i]*s), float32(x2[i]*c)+float32(x1[i]*s)
			if acc {
				a += y1[i]
				b += y2[i]
			}
			y1[i], y2[i] = a, b
		}
	}
}

func expSumGeneric(y, x []float32, shift float32) float64 {
	y = y[:len(x)]
	var s float64
	for i, v := range x {
		e := float32(math.Exp(float64(v) - float64(shift)))
		y[i] = e
		s += float64(e)
	}
	return s
}

func scaleRowsGeneric(y []float32, ldy int, x []float32, ldx int, factors []float32, step, rows int) {
	n := len(y)
	y, x = y[:cap(y)], x[:cap(x)]
	for i := range rows {
		scaleGeneric(y[i*ldy:][:n], factors[i*step], x[i*ldx:][:n])
	}
}

func exp2SumGeneric(y, x []float32, shift float32) float64 {
	y = y[:len(x)]
	var s float64
	for i, v := range x {
		e := float32(math.Exp2(float64(v) - float64(shift)))
		y[i] = e
		s += float64(e)
	}
	return s
}

func scoreGradGeneric(p, d []float32, shift, mean float32) {
	d = d[:len(p)]
	for i, v := range p {
		e := float32(math.Exp2(float64(v) - float64(shift)))
		p[i] = e
		d[i] = e * (d[i] - mean)
	}
}

func momentsGeneric(x []float32) (sum, squares float64) {
	for _, v := range x {
		d := float64(v)
		sum += d
		squares += d * d // exact, so fused or not it is the same
	}
	return sum, squares
}

func affineGeneric(y, x, w, b []float32, shift, scale float32) {
	x, w, b = x[:len(y)], w[:len(y)], b[:len(y)]
	for i := range y {
		y[i] = float32(float32((x[i]-shift)*scale)*w[i]) + b[i]
	}
}

func normSumsGeneric(x, w, dy []float32, shift float32) (level, along float64) {
	w, dy = w[:len(x)], dy[:len(x)]
	for i, v := range x {
		t := float64(w[i]) * float64(dy[i])
		level += t
		along += float64(t * (float64(v) - float64(shift)))
	}
	return level, along
}

func normInputGeneric(dx, x, w, dy []float32, direct, shift, slope, level float32, acc bool) {
	x, w, dy = x[:len(dx)], w[:len(dx)], dy[:len(dx)]
	for i := range dx {
		d := float32(direct*float32(w[i]*dy[i])) - (float32(slope*(x[i]-shift)) + level)
		if acc {
			d += dx[i]
		}
		dx[i] = d
	}
}

func softmaxInputGeneric(dx, y, dy []float32, mean float32, acc bool) {
	y, dy = y[:len(dx)], dy[:len(dx)]
	for i := range dx {
		d := float32(y[i] * (dy[i] - mean))
		if acc {
			d += dx[i]
		}
		dx[i] = d
	}
}
