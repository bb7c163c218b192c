package kernels

import (
	"fmt"
	"math"
	"slices"
)

// The element-wise kernels of TestTrust.

const trustAlpha = float32(-1.7)

// wantDouble demands that got, which a kernel returned, is Σ a·b in float64.
func (t *trial) wantDouble(got *float64, n int, a, b *operand) {
	t.wantThat(func() error {
		want := dotBounded(n, func(p int) bounded { return a.old(0, p) }, func(p int) bounded { return b.old(0, p) })
		// n additions in float64, of products that are exact.
		bound := 2 * float64(n) * 0x1p-53 * want.size
		same := *got == want.v || math.IsNaN(*got) && math.IsNaN(want.v)
		if !same && !(math.Abs(*got-want.v) <= bound) {
			return fmt.Errorf("returned %v, want %v ± %.2g", *got, want.v, bound)
		}
		return nil
	})
}

var vectorKernels = []kernel{
	{name: "Axpy", draw: func(t *trial) {
		n := t.length()
		x, y := t.in("x", 1, n), t.out("y", 1, n)
		t.call = func() { Axpy(trustAlpha, x.x, y.x) }
		t.want(y, true, func(i, j int) bounded { return x.old(i, j).mul(exactly(trustAlpha)) })
	}},
	{name: "Scale", draw: func(t *trial) {
		x := t.out("x", 1, t.length())
		t.call = func() { Scale(trustAlpha, x.x) }
		t.want(x, false, func(i, j int) bounded { return x.old(i, j).mul(exactly(trustAlpha)) })
	}},
	{name: "Copy", draw: func(t *trial) {
		n := t.length()
		x, y := t.in("x", 1, n), t.out("y", 1, n)
		t.call = func() { Copy(y.x, x.x) }
		t.want(y, false, func(i, j int) bounded { return x.old(i, j) })
	}},
	{name: "Add", draw: func(t *trial) {
		n := t.length()
		a, b := t.in("a", 1, n), t.in("b", 1, n)
		dst := t.outOr(true, "dst", 1, n, a, b)
		t.call = func() { Add(dst.x, a.x, b.x) }
		t.want(dst, false, func(i, j int) bounded { return a.old(i, j).add(b.old(i, j)) })
	}},
	{name: "Mul", draw: func(t *trial) {
		n := t.length()
		a, b := t.in("a", 1, n), t.in("b", 1, n)
		dst := t.outOr(true, "dst", 1, n, a, b)
		t.call = func() { Mul(dst.x, a.x, b.x) }
		t.want(dst, false, func(i, j int) bounded { return a.old(i, j).mul(b.old(i, j)) })
	}},
	{name: "MulAdd", draw: func(t *trial) {
		n := t.length()
		a, b := t.in("a", 1, n), t.in("b", 1, n)
		dst := t.outOr(true, "dst", 1, n, a, b)
		t.call = func() { MulAdd(dst.x, a.x, b.x) }
		t.want(dst, true, func(i, j int) bounded { return a.old(i, j).mul(b.old(i, j)) })
	}},
	{name: "FillRows", draw: func(t *trial) {
		rows, n := t.size(), t.length()
		rows = t.few(rows)
		x, y := t.in("x", 1, n), t.out("y", rows, n)
		t.call = func() { FillRows(rows, n, x.x, y.x, y.ld) }
		t.want(y, false, func(i, j int) bounded { return x.old(0, j) })
	}},
	{name: "ScaleRows", draw: func(t *trial) {
		rows, n, acc := t.size(), t.length(), t.coin()
		rows = t.few(rows)
		x, g := t.in("x", rows, n), t.in("g", 1, rows)
		y := t.outOr(!acc, "y", rows, n, x)
		t.call = func() { ScaleRows(rows, n, x.x, x.ld, g.x, y.x, y.ld, acc) }
		t.want(y, acc, func(i, j int) bounded { return x.old(i, j).mul(g.old(0, i)) })
	}},
	{name: "ScaleCols", draw: func(t *trial) {
		rows, n, acc := t.size(), t.length(), t.coin()
		rows = t.few(rows)
		x, g := t.in("x", rows, n), t.in("g", 1, n)
		y := t.outOr(!acc, "y", rows, n, x)
		t.call = func() { ScaleCols(rows, n, x.x, x.ld, g.x, y.x, y.ld, acc) }
		t.want(y, acc, func(i, j int) bounded { return x.old(i, j).mul(g.old(0, j)) })
	}},
	{name: "Dot", draw: func(t *trial) {
		n := t.length()
		x, y := t.in("x", 1, n), t.in("y", 1, n)
		var got float64
		t.call = func() { got = Dot(x.x, y.x) }
		t.wantDouble(&got, n, x, y)
	}},
	{name: "SumSquares", draw: func(t *trial) {
		n := t.length()
		x := t.in("x", 1, n)
		var got float64
		t.call = func() { got = SumSquares(x.x) }
		t.wantDouble(&got, n, x, x)
	}},
	dropoutKernel("Dropout", func(y, x []float32, p float64, seed, counter uint64, acc bool) { Dropout(y, x, p, seed, counter) }, false),
	dropoutKernel("DropoutGrad", DropoutGrad, true),
	{name: "AdamW", finite: true, draw: func(t *trial) {
		n := t.length()
		w, m, v, g := t.out("w", 1, n), t.out("m", 1, n), t.out("v", 1, n), t.in("g", 1, n)
		for i, x := range v.x {
			v.x[i] = float32(math.Abs(float64(x)))
		}
		const lr, beta1, beta2, eps, wd, c1, c2 = 1e-3, 0.9, 0.999, 1e-8, 0.01, 0.1, 0.001
		t.call = func() { AdamW(w.x, g.x, m.x, v.x, lr, beta1, beta2, eps, wd, c1, c2) }
		first := func(i, j int) bounded {
			return m.old(i, j).mul(exactly(beta1)).add(g.old(i, j).mul(exactly(1 - beta1)))
		}
		second := func(i, j int) bounded {
			return v.old(i, j).mul(exactly(beta2)).add(g.old(i, j).mul(g.old(i, j)).mul(exactly(1 - beta2)))
		}
		t.want(m, false, first)
		t.want(v, false, second)
		t.want(w, false, func(i, j int) bounded {
			root := second(i, j).sqrt().mul(exactly(float32(1 / math.Sqrt(c2))))
			step := first(i, j).div(root.add(exactly(eps))).mul(exactly(lr / c1))
			return w.old(i, j).mul(exactly(1 - lr*wd)).sub(step)
		})
	}},
}

// dropoutKernel is y = x times what the plain loop makes of ones, which a test of its
// own holds to known answers; what is dropped is 0, whatever it was.
func dropoutKernel(name string, run func(y, x []float32, p float64, seed, counter uint64, acc bool), canAdd bool) kernel {
	return kernel{name: name, draw: func(t *trial) {
		n, p, seed, counter := 3*t.length(), []float64{0, 0.1, 0.5, 0.99}[t.below(4)], t.Uint64(), t.Uint64()
		acc := canAdd && t.coin()
		x := t.in("x", 1, n)
		y := t.outOr(!acc, "y", 1, n, x)
		factors := slices.Repeat([]float32{1}, n)
		table := newDropoutTable(p, seed, counter, false)
		dropoutGeneric(factors, factors, &table, 0)
		t.call = func() { run(y.x, x.x, p, seed, counter, acc) }
		t.want(y, acc, func(_, j int) bounded {
			if factors[j] == 0 {
				return bounded{}
			}
			return x.old(0, j).mul(exactly(factors[j]))
		})
	}}
}

// few is rows, but few of them if they are long.
func (t *trial) few(rows int) int {
	if t.large {
		return 1
	}
	return rows
}

var activationKernels = []kernel{
	activation("Exp", func(y, x []float32) { Exp(y, x) }, bounded.exp),
	activation("Tanh", Tanh, func(x bounded) bounded { return x.apply(math.Tanh, 1) }),
	activation("Erf", Erf, func(x bounded) bounded { return x.apply(math.Erf, 1.2) }),
	activation("GELU", GELU, func(x bounded) bounded { return x.mul(x.normalCDF()) }),
	activation("GELUTanh", GELUTanh, func(x bounded) bounded { return x.mul(tanhArgument(x).sigmoid()) }),
	slopeKernel("GELUGrad", GELUGrad, func(x bounded) bounded {
		density := x.mul(x).mul(exactly(-0.5)).exp().mul(exactly(float32(1 / math.Sqrt(2*math.Pi))))
		return x.normalCDF().add(x.mul(density))
	}),
	slopeKernel("GELUTanhGrad", GELUTanhGrad, func(x bounded) bounded {
		s := tanhArgument(x).sigmoid()
		inner := exactly(float32(geluC1)).add(x.mul(x).mul(exactly(float32(3 * geluC1 * geluC3))))
		return s.add(x.mul(s).mul(exactly(1).sub(s)).mul(inner))
	}),
	{name: "SiLUMul", draw: func(t *trial) {
		n := t.length()
		gate, up := t.in("gate", 1, n), t.in("up", 1, n)
		y := t.outOr(true, "y", 1, n, gate, up)
		t.call = func() { SiLUMul(y.x, gate.x, up.x) }
		t.want(y, false, func(i, j int) bounded {
			g := gate.old(i, j)
			return g.mul(g.sigmoid()).mul(up.old(i, j))
		})
	}},
	{name: "SiLUMulGrad", finite: true, draw: func(t *trial) {
		n, acc := t.length(), t.coin()
		dy, gate, up := t.in("dy", 1, n), t.in("gate", 1, n), t.in("up", 1, n)
		dgate, dup := t.out("dgate", 1, n), t.out("dup", 1, n)
		t.call = func() { SiLUMulGrad(dgate.x, dup.x, dy.x, gate.x, up.x, acc) }
		t.want(dgate, acc, func(i, j int) bounded {
			g := gate.old(i, j)
			s := g.sigmoid()
			slope := s.mul(exactly(1).add(g.mul(exactly(1).sub(s))))
			return dy.old(i, j).mul(up.old(i, j)).mul(slope)
		})
		t.want(dup, acc, func(i, j int) bounded {
			g := gate.old(i, j)
			return dy.old(i, j).mul(g).mul(g.sigmoid())
		})
	}},
}

// tanhArgument is c1·(x + c3·x³).
func tanhArgument(x bounded) bounded {
	return x.mul(exactly(float32(geluC1)).add(x.mul(x).mul(exactly(float32(geluC1 * geluC3)))))
}

// activation is y = f(x), where y may be x.
func activation(name string, run func(y, x []float32), f func(x bounded) bounded) kernel {
	return kernel{name: name, draw: func(t *trial) {
		n := t.length()
		x := t.in("x", 1, n)
		y := t.outOr(true, "y", 1, n, x)
		t.call = func() { run(y.x, x.x) }
		t.want(y, false, func(i, j int) bounded { return f(x.old(i, j)) })
	}}
}

// slopeKernel is dx = dy·f(x), or added to dx, where dx may be dy if it is not. At
// ±Inf it is the limit.
func slopeKernel(name string, run func(dx, dy, x []float32, acc bool), f func(x bounded) bounded) kernel {
	return kernel{name: name, draw: func(t *trial) {
		n, acc := t.length(), t.coin()
		dy, x := t.in("dy", 1, n), t.in("x", 1, n)
		dx := t.outOr(!acc, "dx", 1, n, dy)
		t.call = func() { run(dx.x, dy.x, x.x, acc) }
		t.want(dx, acc, func(i, j int) bounded {
			near := x.old(i, j)
			if math.Abs(near.v) > 32 {
				near = exactly(float32(math.Copysign(32, near.v)))
			}
			return dy.old(i, j).mul(f(near))
		})
	}}
}
