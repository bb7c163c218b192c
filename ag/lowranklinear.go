package ag

import "github.com/lowrank/lowrank/kernels"

// LowRankLinear is y = x·W0ᵀ + s·(x·Aᵀ)·Bᵀ (arXiv 2106.09685, eq. 3), or with
// gates g one weight a token and expert, y = x·W0ᵀ + s·Σ_e g_e·(x·A_eᵀ)·B_eᵀ
// where A and B stack E experts of rank r/E.
//
// With u = s·(x·Aᵀ)∘g it runs as [x, u]·[W0, B]ᵀ: the low-rank term is r more
// columns of the base product. With v = s·(dy·B):
//
//	dx = dy·W0 + (v∘g)·A    dA = (v∘g)ᵀ·x    dB = dyᵀ·u    dg_e = Σ_{k in e} v_k·(x·Aᵀ)_k
type LowRankLinear struct {
	x, a, b, g Tensor
	w          *Weight
	bias       bias
	s          float32
	m, in      int
	out, r     int
	experts    int
	drops      *dropping
	factors    *gradients // of A and B
	output
	p, u []float32 // x·Aᵀ (with gates) and u: M×r
}

// NewLowRankLinear returns the operator for x M×in, the frozen w out×in,
// A r×in, B out×r and, unless g is nil, gates g M×E where E divides r.
func NewLowRankLinear(x Tensor, w *Weight, a, b Tensor, s float32, g Tensor) *LowRankLinear {
	const op = "LowRankLinear"
	f := &LowRankLinear{x: x, a: a, b: b, g: g, w: w, s: s, in: w.In, out: w.Out, experts: 1}
	var c int
	f.m, c = Dims(x)
	if c != f.in {
		fail(op, "x is %d×%d, W0 is %d×%d: x must have %d columns", f.m, c, f.out, f.in, f.in)
	}
	f.r, c = Dims(a)
	if c != f.in {
		fail(op, "A is %d×%d, W0 is %d×%d: A must have %d columns", f.r, c, f.out, f.in, f.in)
	}
	if rows, cols := Dims(b); rows != f.out || cols != f.r {
		fail(op, "B is %d×%d, W0 is %d×%d, A is %d×%d: B must be %d×%d", rows, cols, f.out, f.in, f.r, f.in, f.out, f.r)
	}
	if g != nil {
		rows, cols := Dims(g)
		if rows != f.m || cols == 0 || f.r%cols != 0 {
			fail(op, "gates are %d×%d, x is %d×%d, A is %d×%d: gates need %d rows and columns that divide %d", rows, cols, f.m, f.in, f.r, f.in, f.m, f.r)
		}
		f.experts = cols
		f.p = make([]float32, f.m*f.r)
	}
	f.u = make([]float32, f.m*f.r)
	f.factors = newGradients(a, b)
	f.output = newOutput(f.m, f.out)
	return f
}

// Drop makes the low-rank term be of x with entries dropped with probability p,
// y = x·W0ᵀ + s·(drop(x)·Aᵀ)·Bᵀ, while the noise is on. Nothing more is saved: the
// gradients draw the same again.
func (f *LowRankLinear) Drop(p float64, noise *Noise) *LowRankLinear {
	f.drops = newDropping("LowRankLinear", p, noise)
	return f
}

// AddBias adds a bias to y, 1×out or nil for none, and returns the operator.
func (f *LowRankLinear) AddBias(b Tensor) *LowRankLinear {
	f.bias = newBias("LowRankLinear", b, f.y)
	return f
}

func (f *LowRankLinear) Operands() []Tensor {
	if f.g == nil {
		return f.bias.with(f.x, f.a, f.b)
	}
	return f.bias.with(f.x, f.a, f.b, f.g)
}

func (f *LowRankLinear) Forward() (Tensor, error) {
	x, a, b, y := Floats(f.x), Floats(f.a), Floats(f.b), f.y.Floats()
	if f.g == nil && !f.w.streamed && !f.drops.on() {
		kernels.LowRankForward(f.m, f.r, x, f.in, f.w.Forward(), a, f.in, b, f.r, f.s, f.u, f.r, f.bias.values(), y, f.out)
		return f.y, nil
	}
	into := x // the low-rank term
	if f.drops.on() {
		dropped := f.drops.of(x)
		defer vectors.put(dropped)
		into = *dropped
	}
	kernels.MatMul(kernels.NT, false, f.m, f.r, f.in, into, f.in, a, f.in, f.u, f.r)
	if f.g == nil {
		kernels.Scale(f.s, f.u)
	} else {
		copy(f.p, f.u)
		f.gate(f.u)
	}
	f.w.forward(f.m, x, f.r, f.u, b, f.bias.values(), y)
	return f.y, nil
}

// gate scales the columns of expert e in each row of t by s·g_e.
func (f *LowRankLinear) gate(t []float32) {
	g, re := Floats(f.g), f.r/f.experts
	for i, ge := range g {
		for k := range re {
			t[i*re+k] *= f.s * ge
		}
	}
}

func (f *LowRankLinear) Backward(gy Tensor) error {
	x, a, b, dy := Floats(f.x), Floats(f.a), Floats(f.b), Floats(gy)
	f.bias.backward(dy)
	spare := borrow(f.m * f.r)
	defer vectors.put(spare)
	v := *spare
	kernels.MatMul(kernels.NN, false, f.m, f.r, f.out, dy, f.out, b, f.r, v, f.r)
	if f.g == nil {
		kernels.Scale(f.s, v)
	} else {
		if f.g.RequiresGrad() {
			Accumulate(f.g, func(dg []float32, acc bool) { f.gateGrad(dg, v, acc) })
		}
		f.gate(v)
	}
	if f.x.RequiresGrad() {
		Accumulate(f.x, func(dx []float32, acc bool) {
			if f.drops.on() {
				f.droppedInputGrad(acc, dy, v, a, dx)
				return
			}
			f.w.backward(acc, f.m, dy, f.r, v, a, dx)
		})
	}
	if f.a.RequiresGrad() || f.b.RequiresGrad() {
		f.factorGrads(x, dy, v)
	}
	return nil
}

// factorGrads writes dA and dB, which the threads share together.
func (f *LowRankLinear) factorGrads(x, dy, v []float32) {
	if f.drops.on() && f.a.RequiresGrad() {
		dropped := f.drops.of(x)
		defer vectors.put(dropped)
		x = *dropped
	}
	f.factors.accumulate(func(g [][]float32, acc bool) {
		da, db := g[0], g[1]
		if !f.a.RequiresGrad() {
			da = nil
		}
		if !f.b.RequiresGrad() {
			db = nil
		}
		kernels.LowRankFactorGrads(acc, f.m, f.r, f.in, f.out, x, f.in, dy, f.out, f.u, f.r, v, f.r, da, f.in, db, f.r)
	})
}

// droppedInputGrad writes dx = dy·W0 + drop((v∘g)·A).
func (f *LowRankLinear) droppedInputGrad(acc bool, dy, v, a, dx []float32) {
	f.w.backward(acc, f.m, dy, 0, nil, nil, dx)
	spare := borrow(f.m * f.in)
	defer vectors.put(spare)
	kernels.MatMul(kernels.NN, false, f.m, f.in, f.r, v, f.r, a, f.in, *spare, f.in)
	f.drops.addGrad(dx, *spare)
}

// gateGrad writes dg_e = s·Σ_{k in e} (dy·B)_k·(x·Aᵀ)_k.
func (f *LowRankLinear) gateGrad(dg, v []float32, acc bool) {
	re := f.r / f.experts
	for i := range dg {
		var sum float32
		for k := i * re; k < (i+1)*re; k++ {
			sum += v[k] * f.p[k]
		}
		if acc {
			dg[i] += f.s * sum
		} else {
			dg[i] = f.s * sum
		}
	}
}

func (f *LowRankLinear) saved() int { return len(f.u) + len(f.p) }

func (f *LowRankLinear) reads() (operands, output bool) { return true, false }
