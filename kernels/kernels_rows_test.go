package kernels

import "math"

// The row-wise functions among the kernels of TestTrust.

// table draws the sizes of a table: rows of n, together shared by threads if large.
func (t *trial) table() (rows, n int) {
	if t.large {
		return 250 + t.below(30), 130 + t.below(30)
	}
	return t.size(), t.size()
}

// rowBounded returns f's numbers for 0, …, n-1.
func rowBounded(n int, f func(j int) bounded) []bounded {
	row := make([]bounded, n)
	for j := range row {
		row[j] = f(j)
	}
	return row
}

// meanBounded is Σ_j x(j)/n.
func meanBounded(n int, x func(j int) bounded) bounded {
	return sumBounded(n, x).div(exactly(float32(n)))
}

var rowKernels = []kernel{
	{name: "RMSNorm", draw: func(t *trial) {
		rows, n := t.table()
		x, w := t.in("x", rows, n), t.in("w", 1, n)
		y, inv := t.outOr(true, "y", rows, n, x), t.out("inv", 1, rows)
		t.call = func() { RMSNorm(rows, n, x.x, x.ld, w.x, normEps, y.x, y.ld, inv.x) }
		invOf := func(i int) bounded {
			square := meanBounded(n, func(j int) bounded { return x.old(i, j).mul(x.old(i, j)) })
			return square.add(exactly(normEps)).sqrt().inverse()
		}
		if n > 0 {
			t.want(inv, false, func(_, i int) bounded { return invOf(i) })
		}
		t.wantRows(y, false, func(i int) []bounded {
			r := invOf(i)
			return rowBounded(n, func(j int) bounded { return x.old(i, j).mul(r).mul(w.old(0, j)) })
		})
	}},
	{name: "RMSNormGrad", finite: true, draw: func(t *trial) {
		rows, n := t.table()
		acc, frozen := t.coin(), t.below(4)
		x, w, inv, dy := t.in("x", rows, n), t.in("w", 1, n), t.in("inv", 1, rows), t.in("dy", rows, n)
		dx, dw := t.out("dx", rows, n), t.out("dw", 1, n)
		dxx, dwx := dx.x, dw.x
		if frozen == 1 {
			dxx = nil
		} else {
			t.wantRows(dx, acc, func(i int) []bounded {
				r := inv.old(0, i)
				along := meanBounded(n, func(k int) bounded { return x.old(i, k).mul(w.old(0, k)).mul(dy.old(i, k)) })
				return rowBounded(n, func(j int) bounded {
					return r.mul(w.old(0, j)).mul(dy.old(i, j)).sub(x.old(i, j).mul(r).mul(r).mul(r).mul(along))
				})
			})
		}
		if frozen == 2 {
			dwx = nil
		} else {
			t.want(dw, true, func(_, j int) bounded {
				return sumBounded(rows, func(i int) bounded { return x.old(i, j).mul(inv.old(0, i)).mul(dy.old(i, j)) })
			})
		}
		t.call = func() {
			RMSNormGrad(rows, n, x.x, x.ld, w.x, inv.x, dy.x, dy.ld, dxx, dx.ld, acc, dwx)
		}
	}},
	{name: "ScaleColsGrad", draw: func(t *trial) {
		rows, n := t.table()
		acc, frozen := t.coin(), t.below(4)
		x, g, dy := t.in("x", rows, n), t.in("g", 1, n), t.in("dy", rows, n)
		dx, dg := t.outOr(!acc, "dx", rows, n, dy), t.out("dg", 1, n)
		dxx, dgx := dx.x, dg.x
		if frozen == 1 && dx != dy {
			dxx = nil
		} else {
			t.want(dx, acc, func(i, j int) bounded { return g.old(0, j).mul(dy.old(i, j)) })
		}
		if frozen == 2 {
			dgx = nil
		} else {
			t.want(dg, true, func(_, j int) bounded {
				return sumBounded(rows, func(i int) bounded { return x.old(i, j).mul(dy.old(i, j)) })
			})
		}
		t.call = func() { ScaleColsGrad(rows, n, x.x, x.ld, g.x, dy.x, dy.ld, dxx, dx.ld, acc, dgx) }
	}},
	{name: "LayerNorm", draw: func(t *trial) {
		rows, n := t.table()
		x, w, b := t.in("x", rows, n), t.in("w", 1, n), t.in("b", 1, n)
		y, mean, inv := t.outOr(true, "y", rows, n, x), t.out("mean", 1, rows), t.out("inv", 1, rows)
		t.call = func() { LayerNorm(rows, n, x.x, x.ld, w.x, b.x, normEps, y.x, y.ld, mean.x, inv.x) }
		of := func(i int) (m, r bounded) {
			m = meanBounded(n, func(j int) bounded { return x.old(i, j) })
			variance := meanBounded(n, func(j int) bounded {
				d := x.old(i, j).sub(m)
				return d.mul(d)
			})
			return m, variance.add(exactly(normEps)).sqrt().inverse()
		}
		if n > 0 {
			t.want(mean, false, func(_, i int) bounded { m, _ := of(i); return m })
			t.want(inv, false, func(_, i int) bounded { _, r := of(i); return r })
		}
		t.wantRows(y, false, func(i int) []bounded {
			m, r := of(i)
			return rowBounded(n, func(j int) bounded { return x.old(i, j).sub(m).mul(r).mul(w.old(0, j)).add(b.old(0, j)) })
		})
	}},
	{name: "LayerNormGrad", finite: true, draw: func(t *trial) {
		rows, n := t.table()
		acc, frozen := t.coin(), t.below(4)
		x, w, dy := t.in("x", rows, n), t.in("w", 1, n), t.in("dy", rows, n)
		mean, inv := t.in("mean", 1, rows), t.in("inv", 1, rows)
		dx, dw, db := t.out("dx", rows, n), t.out("dw", 1, n), t.out("db", 1, n)
		dxx, dwx, dbx := dx.x, dw.x, db.x
		z := func(i, j int) bounded { return x.old(i, j).sub(mean.old(0, i)).mul(inv.old(0, i)) }
		if frozen == 1 {
			dxx = nil
		} else {
			t.wantRows(dx, acc, func(i int) []bounded {
				g := func(j int) bounded { return w.old(0, j).mul(dy.old(i, j)) }
				level := meanBounded(n, g)
				along := meanBounded(n, func(k int) bounded { return z(i, k).mul(g(k)) })
				return rowBounded(n, func(j int) bounded {
					return inv.old(0, i).mul(g(j).sub(level).sub(z(i, j).mul(along)))
				})
			})
		}
		if frozen == 2 {
			dwx = nil
		} else {
			t.want(dw, true, func(_, j int) bounded {
				return sumBounded(rows, func(i int) bounded { return z(i, j).mul(dy.old(i, j)) })
			})
		}
		if frozen == 3 {
			dbx = nil
		} else {
			t.want(db, true, func(_, j int) bounded { return sumBounded(rows, func(i int) bounded { return dy.old(i, j) }) })
		}
		t.call = func() {
			LayerNormGrad(rows, n, x.x, x.ld, w.x, mean.x, inv.x, dy.x, dy.ld, dxx, dx.ld, acc, dwx, dbx)
		}
	}},
	{name: "Softmax", draw: func(t *trial) {
		rows, n := t.table()
		x := t.in("x", rows, n)
		y := t.outOr(true, "y", rows, n, x)
		t.call = func() { Softmax(rows, n, x.x, x.ld, y.x, y.ld) }
		t.wantRows(y, false, func(i int) []bounded {
			e, total := exponentials(n, func(j int) bounded { return x.old(i, j) })
			return rowBounded(n, func(j int) bounded { return e[j].div(total) })
		})
	}},
	{name: "SoftmaxGrad", finite: true, draw: func(t *trial) {
		rows, n := t.table()
		acc := t.coin()
		y, dy := t.in("y", rows, n), t.in("dy", rows, n)
		dx := t.outOr(!acc, "dx", rows, n, dy)
		t.call = func() { SoftmaxGrad(rows, n, y.x, y.ld, dy.x, dy.ld, dx.x, dx.ld, acc) }
		t.wantRows(dx, acc, func(i int) []bounded {
			mean := sumBounded(n, func(k int) bounded { return dy.old(i, k).mul(y.old(i, k)) })
			return rowBounded(n, func(j int) bounded { return y.old(i, j).mul(dy.old(i, j).sub(mean)) })
		})
	}},
	{name: "CrossEntropy", finite: true, draw: func(t *trial) {
		rows, n := t.table()
		x := t.in("logits", rows, n)
		loss := t.out("loss", 1, rows)
		d := t.outOr(true, "dlogits", rows, n, x)
		_, targets := place[int32](t, "targets", 1, rows, 0)
		for i := range targets {
			targets[i] = int32(t.below(n+1)) - 1
		}
		dx := d.x
		if t.below(4) == 0 {
			dx = nil
		} else {
			t.wantRows(d, false, func(i int) []bounded {
				if targets[i] < 0 {
					return make([]bounded, n)
				}
				e, total := exponentials(n, func(j int) bounded { return x.old(i, j) })
				return rowBounded(n, func(j int) bounded {
					p := e[j].div(total)
					if j == int(targets[i]) {
						return p.sub(exactly(1))
					}
					return p
				})
			})
		}
		t.call = func() { CrossEntropy(rows, n, x.x, x.ld, targets, loss.x, dx, d.ld) }
		t.want(loss, false, func(_, i int) bounded {
			if targets[i] < 0 {
				return bounded{}
			}
			old := func(j int) bounded { return x.old(i, j) }
			_, total := exponentials(n, old)
			return total.log().add(exactly(largestOf(n, old))).sub(old(int(targets[i])))
		})
	}},
	rotationKernel("RoPE", func(rows, heads, dim int, x *operand, positions int, cos, sin []float32, y *operand, acc bool) {
		RoPE(rows, heads, dim, x.x, x.ld, positions, cos, sin, y.x, y.ld)
	}, 1),
	rotationKernel("RoPEGrad", func(rows, heads, dim int, x *operand, positions int, cos, sin []float32, y *operand, acc bool) {
		RoPEGrad(rows, heads, dim, x.x, x.ld, positions, cos, sin, y.x, y.ld, acc)
	}, -1),
}

// largestOf is the largest x(j), NaN if one is.
func largestOf(n int, x func(j int) bounded) float32 {
	top := math.Inf(-1)
	for j := range n {
		top = max(top, x(j).v)
	}
	return float32(top)
}

// exponentials are exp(x(j) - max x) and their sum.
func exponentials(n int, x func(j int) bounded) (e []bounded, total bounded) {
	top := exactly(largestOf(n, x))
	e = rowBounded(n, func(j int) bounded { return x(j).sub(top).exp() })
	return e, sumBounded(n, func(j int) bounded { return e[j] })
}

// rotationKernel is RoPE with a sign, -1 for its gradient, which may be added.
func rotationKernel(name string, run func(rows, heads, dim int, x *operand, positions int, cos, sin []float32, y *operand, acc bool), sign float32) kernel {
	return kernel{name: name, draw: func(t *trial) {
		rows, n := t.table()
		dim := 2 * t.below(20)
		heads := n / max(dim, 4)
		n = heads * dim
		acc := sign < 0 && t.coin()
		positions := 1 + t.below(rows+1)
		angles := min(rows, positions) * dim / 2
		x, cos, sin := t.in("x", rows, n), t.in("cos", 1, angles), t.in("sin", 1, angles)
		y := t.outOr(!acc, "y", rows, n, x)
		t.call = func() { run(rows, heads, dim, x, positions, cos.x, sin.x, y, acc) }
		t.want(y, acc, func(i, j int) bounded {
			h := dim / 2
			pair, s := j+h, sign
			if j%dim >= h {
				pair, s = j-h, -sign
			}
			angle := i%positions*h + j%h
			return x.old(i, j).mul(cos.old(0, angle)).sub(x.old(i, pair).mul(sin.old(0, angle)).mul(exactly(s)))
		})
	}}
}
