package kernels

import "math"

// A bounded is a number of a reference: its value in float64, the size that it
// would have if nothing in it cancelled, and a bound of how far off it may be if
// it is computed in float32, whichever way its sums are ordered and its products
// distributed. So a reference that is written down as its formula comes with the
// bound of its error, and for a sum of K products that is (K+1)·ε·Σ|a·b|, ε = 2⁻²⁴
// (Higham, Accuracy and Stability of Numerical Algorithms, 3.1).
type bounded struct{ v, size, err float64 }

// exactly is a number that a kernel is given.
func exactly(x float32) bounded {
	v := float64(x)
	if v-v != 0 {
		return bounded{v: v}
	}
	return bounded{v, math.Abs(v), 0}
}

// rounded is a result of so many roundings of numbers of that size, with an error
// of what it was computed from. A rounding below the normal numbers errs by half of
// the smallest, tiny. What is not finite has no error, as it must be met, or an
// infinite one if any of NaN and ±Inf will do.
func rounded(v, size, err, roundings float64) bounded {
	if v-v != 0 {
		if err-err == 0 {
			err = 0
		}
		return bounded{v: v, err: err}
	}
	if size-size != 0 { // finite, of what is not
		return bounded{v, math.Abs(v), unit*math.Abs(v) + tiny}
	}
	if err != err {
		err = math.Inf(1)
	}
	return bounded{v, size, err + roundings*(unit*size+tiny)}
}

func (a bounded) add(b bounded) bounded { return rounded(a.v+b.v, a.size+b.size, a.err+b.err, 1) }
func (a bounded) neg() bounded          { return bounded{-a.v, a.size, a.err} }
func (a bounded) sub(b bounded) bounded { return a.add(b.neg()) }

func (a bounded) mul(b bounded) bounded {
	if a.infinite() && b.nearZero() || b.infinite() && a.nearZero() { // ±Inf or NaN
		return bounded{v: math.NaN(), err: math.Inf(1)}
	}
	return rounded(a.v*b.v, a.size*b.size, a.size*b.err+b.size*a.err+a.err*b.err, 1)
}

func (a bounded) infinite() bool { return math.IsInf(a.v, 0) }
func (a bounded) nearZero() bool { return a.v != 0 && math.Abs(a.v) <= boundFactor*a.err+tiny }

func (a bounded) div(b bounded) bounded { return a.mul(b.inverse()) }

func (a bounded) inverse() bounded {
	v := 1 / a.v
	return rounded(v, math.Abs(v), math.Abs(v)*a.err/max(math.Abs(a.v)-a.err, 0), 1)
}

// apply is f(a) of a function that a kernel computes to 8 units of itself and whose
// slope near a is at most so steep.
func (a bounded) apply(f func(float64) float64, slope float64) bounded {
	v := f(a.v)
	return rounded(v, math.Abs(v), slope*a.err, 8)
}

// exp is e^a. A kernel may take what is below the normal numbers for 0.
func (a bounded) exp() bounded {
	e := a.apply(math.Exp, math.Exp(a.v+min(a.err, 1)))
	e.err += 0x1p-126
	return e
}

func (a bounded) log() bounded { return a.apply(math.Log, 1/max(a.v-a.err, 0)) }

// sqrt is √a; of something near 0 the error is at most the root of the error.
func (a bounded) sqrt() bounded {
	v := math.Sqrt(a.v)
	return rounded(v, v, min(math.Sqrt(a.err), a.err/(2*math.Sqrt(max(a.v-a.err, 0)))), 2)
}

// sigmoid is σ(a). Where e^-a overflows, a result below 1e-38 is 0.
func (a bounded) sigmoid() bounded {
	s := a.apply(sigmoid, min(0.25, math.Exp(a.err-math.Abs(a.v))))
	s.err += 0x1p-125
	return s
}

// normalCDF is Φ(a), which a kernel computes to 4 units of 1.
func (a bounded) normalCDF() bounded {
	c := a.apply(normalCDF, 0.4)
	c.err += 4 * unit
	return c
}

// sumBounded is Σ x_i, in any order.
func sumBounded(n int, x func(i int) bounded) bounded {
	var v, size, err float64
	for i := range n {
		b := x(i)
		v, size, err = v+b.v, size+b.size, err+b.err
	}
	return rounded(v, size, err, float64(n))
}

// boundFactor is how many times its bound a result may be off, for the products of errors and
// the few roundings that it has more than its formula: those of pieces of a sum, and
// those of terms that are added one by one to what was there.
const boundFactor = 4

// meets says whether got is a computation of a; NaN and Inf must be as they are.
func (a bounded) meets(got float32) bool {
	g := float64(got)
	switch {
	case a.v-a.v != 0 && a.err > 0:
		return g-g != 0
	case math.IsNaN(a.v):
		return math.IsNaN(g)
	case math.IsInf(a.v, 0):
		return g == a.v
	}
	bound := boundFactor*a.err + tiny
	if math.IsInf(g, 0) {
		return math.Abs(a.v)+bound >= math.MaxFloat32 && g*a.v > 0
	}
	return math.Abs(g-a.v) <= bound
}
