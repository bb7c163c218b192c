package kernels

import "math"

// The formats of weights among the kernels of TestTrust.

// used returns a Packed of another weight, from one call to the next.
func (t *trial) used() func() *Packed {
	k, n := t.size(), t.size()
	old := make([]float32, k*n)
	for i := range old {
		old[i] = canary
	}
	return func() *Packed { return Pack(NN, k, n, old, n) }
}

// halfKernel rounds a weight to a 16-bit format and back, and multiplies by it.
func halfKernel(name string, precision float64, encode func(b []uint16, x []float32), decode func(x []float32, b []uint16),
	pack func(op Op, k, n int, b []uint16, ldb int) *Packed, repack func(p *Packed, op Op, k, n int, b []uint16, ldb int)) kernel {
	return kernel{name: "Encode" + name + "+Decode" + name + "+Pack" + name + "+Repack" + name, finite: true, draw: func(t *trial) {
		m, n, k := t.sizes()
		op, fresh, used := Op(t.below(2)), t.coin(), t.used()
		x, right := t.inT(op == NT, "x", k, n)
		rows, cols := x.rows, x.cols
		o, words := place[uint16](t, "words", rows, cols, t.below(3))
		o.written = true
		y := t.out("y", rows, cols)
		a, c := t.in("a", m, k), t.out("c", m, n)
		t.call = func() {
			for i := range rows {
				if cols > 0 {
					encode(words[i*o.ld:][:cols], x.x[i*x.ld:][:cols])
					decode(y.x[i*y.ld:][:cols], words[i*o.ld:][:cols])
				}
			}
			p := used()
			if repack(p, op, k, n, words, o.ld); fresh {
				p = pack(op, k, n, words, o.ld)
			}
			MatMulPacked(false, m, a.x, a.ld, p, c.x, c.ld)
		}
		near := func(v bounded) bounded {
			v.err = math.Abs(v.v)*precision + 0x1p-25
			return v
		}
		t.want(y, false, func(i, j int) bounded { return near(x.old(i, j)) })
		t.want(c, false, productOf(k, a.old, func(p, j int) bounded { return near(right(p, j)) }))
	}}
}

// storedKernel rounds a matrix to one of the formats and reads a part of it back.
var storedKernel = kernel{name: "Quantize+Decode", finite: true, draw: func(t *trial) {
	rows, cols := t.size(), t.size()
	format := []struct {
		d         Dtype
		precision float64
	}{{F32, 0}, {BF16, 0x1p-8}, {F16, 0x1p-11}}[t.below(3)]
	x := t.in("x", 1, rows*cols)
	first := t.below(rows*cols + 1)
	y := t.out("y", 1, t.below(rows*cols-first+1))
	t.call = func() {
		s, err := Quantize(format.d, rows, cols, x.x)
		if err != nil {
			panic(err)
		}
		s.Decode(y.x, first)
	}
	t.want(y, false, func(_, j int) bounded {
		v := x.old(0, first+j)
		v.err = math.Abs(v.v)*format.precision + 0x1p-25
		return v
	})
}}

var dtypeKernels = []kernel{
	storedKernel,
	halfKernel("BF16", 0x1p-8, EncodeBF16, DecodeBF16, PackBF16, (*Packed).RepackBF16),
	halfKernel("F16", 0x1p-11, EncodeF16, DecodeF16, PackF16, (*Packed).RepackF16),
	{name: "QuantizeInt8+DecodeInt8+PackInt8+RepackInt8", finite: true, draw: func(t *trial) {
		m, n, k := t.sizes()
		op, fresh, used := Op(t.below(2)), t.coin(), t.used()
		x, right := t.inT(op == NT, "x", k, n)
		rows, cols := x.rows, x.cols
		o, q := place[int8](t, "q", rows, cols, t.below(3))
		o.written = true
		scale, y := t.out("scale", 1, rows), t.out("y", rows, cols)
		a, c := t.in("a", m, k), t.out("c", m, n)
		t.call = func() {
			if err := QuantizeInt8(rows, cols, x.x, x.ld, q, o.ld, scale.x); err != nil {
				panic(err)
			}
			DecodeInt8(rows, cols, q, o.ld, scale.x, y.x, y.ld)
			p := used()
			if p.RepackInt8(op, k, n, q, o.ld, scale.x); fresh {
				p = PackInt8(op, k, n, q, o.ld, scale.x)
			}
			MatMulPacked(false, m, a.x, a.ld, p, c.x, c.ld)
		}
		near := func(v bounded, row int) bounded {
			// Half a step; a scale below the normal numbers is not a 127th.
			v.err = 0.5001*float64(scale.x[row]) + 127*tiny
			return v
		}
		t.want(y, false, func(i, j int) bounded { return near(x.old(i, j), i) })
		t.want(c, false, productOf(k, a.old, func(p, j int) bounded {
			if op == NT {
				return near(right(p, j), j)
			}
			return near(right(p, j), p)
		}))
	}},
	{name: "QuantizeNF4Once+DecodeNF4", finite: true, draw: func(t *trial) {
		n := t.length()
		x, y := t.in("x", 1, n), t.out("y", 1, n)
		t.call = func() {
			w, err := QuantizeNF4Once(1, n, x.x, x.ld)
			if err != nil {
				panic(err)
			}
			DecodeNF4(w, y.x, y.ld)
		}
		t.want(y, false, func(i, j int) bounded {
			v, most := x.old(i, j), 0.0
			for e := j / nf4Block * nf4Block; e < min(n, (j/nf4Block+1)*nf4Block); e++ {
				most = max(most, math.Abs(x.old(i, e).v))
			}
			v.err = 0.1525*most + tiny // half of the widest gap, that above -1
			return v
		})
	}},
	{name: "QuantizeNF4+DecodeNF4+PackNF4+RepackNF4", finite: true, draw: func(t *trial) {
		m, n, k := t.sizes()
		op, fresh, used := Op(t.below(2)), t.coin(), t.used()
		x, _ := t.inT(op == NT, "x", k, n)
		var made *NF4Weight
		quantize := func() {
			var err error
			if made, err = QuantizeNF4(x.rows, x.cols, x.x, x.ld); err != nil {
				panic(err)
			}
		}
		quantize()
		// Its parts, each between fences.
		w := &NF4Weight{Rows: made.Rows, Cols: made.Cols, Offset: made.Offset}
		copyOf := func(name string, from []byte) []byte {
			_, to := place[byte](t, name, 1, len(from), 0)
			copy(to, from)
			return to
		}
		floats := func(name string, from []float32) []float32 {
			_, to := place[float32](t, name, 1, len(from), 0)
			copy(to, from)
			return to
		}
		w.Codes, w.Absmax = copyOf("codes", made.Codes), copyOf("absmax", made.Absmax)
		w.Map, w.Scale = floats("map", made.Map), floats("scale", made.Scale)
		y := t.out("y", x.rows, x.cols)
		a, c := t.in("a", m, k), t.out("c", m, n)
		t.call = func() {
			quantize()
			DecodeNF4(w, y.x, y.ld)
			p := used()
			if p.RepackNF4(op, w); fresh {
				p = PackNF4(op, w)
			}
			MatMulPacked(false, m, a.x, a.ld, p, c.x, c.ld)
		}
		decoded := func(i, j int) bounded {
			e := i*w.Cols + j
			b := e / nf4Block
			absmax := float32(w.Map[w.Absmax[b]]*w.Scale[b/nf4Group]) + w.Offset
			return exactly(nf4[w.Codes[e/2]>>(4*(1-e%2))&15] * absmax)
		}
		t.want(y, false, decoded)
		t.want(c, false, productOf(k, a.old, func(p, j int) bounded {
			if op == NT {
				return decoded(j, p)
			}
			return decoded(p, j)
		}))
	}},
}
