package kernels

import "slices"

// kernels are the exported functions for TestTrust and the fuzzers: what one call
// of each is drawn from, and its reference, which is the formula of its
// documentation. A name of several joined by + is of functions that are called
// together.
var kernels = slices.Concat(productKernels, lowRankKernels, vectorKernels, activationKernels, rowKernels, attentionKernels, dtypeKernels)

// dotBounded is Σ_p a(p)·b(p).
func dotBounded(n int, a, b func(p int) bounded) bounded {
	return sumBounded(n, func(p int) bounded { return a(p).mul(b(p)) })
}

// productOf returns the elements of A·B.
func productOf(k int, a, b func(i, j int) bounded) func(i, j int) bounded {
	return func(i, j int) bounded {
		return dotBounded(k, func(p int) bounded { return a(i, p) }, func(p int) bounded { return b(p, j) })
	}
}

// sizes draws m, n and k of a product, k for its sum.
func (t *trial) sizes() (m, n, k int) {
	if t.large { // more than parallelWork, and more rows than a job packs B for
		return 97 + t.below(20), 97 + t.below(20), 112 + t.below(30)
	}
	m, n, k = t.size(), t.size(), t.depth()
	if k > 2*kc { // the reference takes its time
		m, n = min(m, 20), min(n, 40)
	}
	if m < 3 && k%2 == 0 { // one row has tiles of its own
		m, n = 1, 3*n
	}
	if n < 4 && k%2 == 1 { // few columns are computed as rows, if they are long
		m, n, k = 32+t.below(70), 1+t.below(20), 64+t.below(60)
	}
	return m, n, k
}

// inT draws a matrix rows×cols that is held as its transpose if held is set, and
// returns it with its elements untransposed.
func (t *trial) inT(held bool, name string, rows, cols int) (*operand, func(i, j int) bounded) {
	if held {
		o := t.in(name, cols, rows)
		return o, o.oldT
	}
	o := t.in(name, rows, cols)
	return o, o.old
}

var productKernels = []kernel{
	{name: "MatMul", draw: func(t *trial) {
		m, n, k := t.sizes()
		op, acc := Op(t.below(3)), t.coin()
		a, left := t.inT(op == TN, "a", m, k)
		b, right := t.inT(op == NT, "b", k, n)
		c := t.out("c", m, n)
		t.call = func() { MatMul(op, acc, m, n, k, a.x, a.ld, b.x, b.ld, c.x, c.ld) }
		t.want(c, acc, productOf(k, left, right))
	}},
	{name: "Pack+Repack+MatMulPacked", draw: func(t *trial) {
		m, n, k := t.sizes()
		op, acc, again := Op(t.below(2)), t.coin(), t.coin()
		a := t.in("a", m, k)
		b, right := t.inT(op == NT, "b", k, n)
		c := t.out("c", m, n)
		t.call = func() {
			p := Pack(op, k, n, b.x, b.ld)
			if again {
				p.Repack(op, b.x, b.ld)
			}
			MatMulPacked(acc, m, a.x, a.ld, p, c.x, c.ld)
		}
		t.want(c, acc, productOf(k, a.old, right))
	}},
	{name: "Unpack", draw: func(t *trial) {
		_, n, k := t.sizes()
		op := Op(t.below(2))
		first := t.below(n + 1)
		last := first + t.below(n-first+1)
		b, right := t.inT(op == NT, "b", k, n)
		x := t.out("x", last-first, k)
		t.call = func() { Pack(op, k, n, b.x, b.ld).Unpack(first, last, x.x, x.ld) }
		t.want(x, false, func(i, j int) bounded { return right(j, first+i) })
	}},
	{name: "RepackTurned", draw: func(t *trial) {
		m, n, k := t.sizes()
		acc := t.coin()
		first := t.below(n + 1)
		last := first + t.below(n-first+1)
		a, b := t.in("a", m, k), t.in("b", k, n)
		c := t.out("c", m, last-first)
		t.call = func() {
			q, p := Pack(NT, n, k, b.x, b.ld), &Packed{} // of bᵀ
			p.RepackTurned(q, first, last)
			MatMulPacked(acc, m, a.x, a.ld, p, c.x, c.ld)
		}
		t.want(c, acc, productOf(k, a.old, func(i, j int) bounded { return b.old(i, first+j) }))
	}},
	{name: "AddProduct", draw: func(t *trial) {
		m, n, k := t.sizes()
		r, op := t.size(), Op(t.below(2))
		a := t.in("a", m, k)
		b, right := t.inT(op == NT, "b", k, n)
		q, s := t.in("q", r, k), t.in("s", r, n)
		c := t.out("c", m, n)
		t.call = func() {
			p := Pack(op, k, n, b.x, b.ld)
			p.AddProduct(r, q.x, q.ld, s.x, s.ld)
			MatMulPacked(false, m, a.x, a.ld, p, c.x, c.ld)
		}
		plus := productOf(r, q.oldT, s.old)
		t.want(c, false, productOf(k, a.old, func(i, j int) bounded { return right(i, j).add(plus(i, j)) }))
	}},
	{name: "MatMulPackedPlus", draw: func(t *trial) {
		m, n, k := t.sizes()
		r := t.size()
		bop, qop, acc := Op(t.below(2)), Op(t.below(2)), t.coin()
		a, u := t.in("a", m, k), t.in("u", m, r)
		b, right := t.inT(bop == NT, "b", k, n)
		q, low := t.inT(qop == NT, "q", r, n)
		c := t.out("c", m, n)
		t.call = func() {
			MatMulPackedPlus(acc, m, a.x, a.ld, Pack(bop, k, n, b.x, b.ld), qop, r, u.x, u.ld, q.x, q.ld, c.x, c.ld)
		}
		main, plus := productOf(k, a.old, right), productOf(r, u.old, low)
		t.want(c, acc, func(i, j int) bounded { return main(i, j).add(plus(i, j)) })
	}},
	{name: "MatMulPackedFrom", draw: func(t *trial) {
		m, n, k := t.sizes()
		r := t.size()
		a, u, b, q := t.in("a", m, k), t.in("u", m, r), t.in("b", k, n), t.in("q", r, n)
		bias, from := t.bias(n)
		c := t.out("c", m, n)
		t.call = func() {
			MatMulPackedFrom(bias, m, a.x, a.ld, Pack(NN, k, n, b.x, b.ld), NN, r, u.x, u.ld, q.x, q.ld, c.x, c.ld)
		}
		main, plus := productOf(k, a.old, b.old), productOf(r, u.old, q.old)
		t.want(c, false, func(i, j int) bounded { return from(j).add(main(i, j)).add(plus(i, j)) })
	}},
}

// bias draws n values that rows begin as, or nil.
func (t *trial) bias(n int) (x []float32, at func(j int) bounded) {
	if t.coin() {
		return nil, func(int) bounded { return exactly(0) }
	}
	b := t.in("bias", 1, n)
	return b.x, func(j int) bounded { return b.old(0, j) }
}

// rank draws r, and the scaling of the low-rank term.
func (t *trial) rank() (r int, s float32) {
	return t.below(20), []float32{0, 1, 1.5, -0.25}[t.below(4)]
}

var lowRankKernels = []kernel{
	{name: "LowRankForward", draw: func(t *trial) {
		m, out, in := t.sizes()
		r, s := t.rank()
		x, w0, a, b := t.in("x", m, in), t.in("w0", out, in), t.in("a", r, in), t.in("b", out, r)
		bias, from := t.bias(out)
		u, y := t.out("u", m, r), t.out("y", m, out)
		t.call = func() {
			LowRankForward(m, r, x.x, x.ld, Pack(NT, in, out, w0.x, w0.ld), a.x, a.ld, b.x, b.ld, s, u.x, u.ld, bias, y.x, y.ld)
		}
		t.wantLowRank(u, y, false, r, s, x, in, w0.oldT, a.oldT, b.oldT, from)
	}},
	{name: "LowRankInputGrad", draw: func(t *trial) {
		m, out, in := t.sizes()
		r, s := t.rank()
		acc := t.coin()
		dy, w0, a, b := t.in("dy", m, out), t.in("w0", out, in), t.in("a", r, in), t.in("b", out, r)
		v, dx := t.out("v", m, r), t.out("dx", m, in)
		t.call = func() {
			LowRankInputGrad(acc, m, r, dy.x, dy.ld, Pack(NN, out, in, w0.x, w0.ld), a.x, a.ld, b.x, b.ld, s, v.x, v.ld, dx.x, dx.ld)
		}
		t.wantLowRank(v, dx, acc, r, s, dy, out, w0.old, b.old, a.old, func(int) bounded { return exactly(0) })
	}},
	{name: "LowRankFactorGrads", draw: func(t *trial) {
		m, out, in := t.sizes()
		r, _ := t.rank()
		acc, frozen := t.coin(), t.below(4)
		x, dy, u, v := t.in("x", m, in), t.in("dy", m, out), t.in("u", m, r), t.in("v", m, r)
		da, db := t.out("da", r, in), t.out("db", out, r)
		dax, dbx := da.x, db.x
		if frozen == 1 {
			dax = nil
		} else {
			t.want(da, acc, productOf(m, v.oldT, x.old))
		}
		if frozen == 2 {
			dbx = nil
		} else {
			t.want(db, acc, productOf(m, dy.oldT, u.old))
		}
		t.call = func() {
			LowRankFactorGrads(acc, m, r, in, out, x.x, x.ld, dy.x, dy.ld, u.x, u.ld, v.x, v.ld, dax, da.ld, dbx, db.ld)
		}
	}},
}

// wantLowRank demands u = s·X·down and y = X·W + u·up, each sum of what its own
// line says: y of the u that was computed.
func (t *trial) wantLowRank(u, y *operand, acc bool, r int, s float32, x *operand, k int, w, down, up func(i, j int) bounded, from func(j int) bounded) {
	first, main := productOf(k, x.old, down), productOf(k, x.old, w)
	t.want(u, false, func(i, j int) bounded { return first(i, j).mul(exactly(s)) })
	plus := productOf(r, func(i, j int) bounded { return exactly(u.x[i*u.ld+j]) }, up)
	t.want(y, acc, func(i, j int) bounded { return from(j).add(main(i, j)).add(plus(i, j)) })
}
