package optim_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn/optim"
)

// walk takes steps of a rule on one rows×cols parameter with random gradients,
// and compares its updates with those that want returns for the gradient and
// the value, in float64.
func walk(t *testing.T, name string, rule optim.Transform, rows, cols, steps int, lr float64, want func(step int, g, w []float64) []float64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(rows), uint64(cols)))
	v := ag.NewParameter(rows, cols, nil)
	for i := range v.Floats() {
		v.Floats()[i] = float32(rng.NormFloat64())
	}
	p := &optim.Param{Name: "p", Role: "A", Value: v}
	o := optim.New(rule, []*optim.Group{{Name: "g", Params: []*optim.Param{p}}})
	for step := 1; step <= steps; step++ {
		g, w, g32 := make([]float64, rows*cols), make([]float64, rows*cols), make([]float32, rows*cols)
		for i := range g {
			g32[i] = float32(rng.NormFloat64())
			g[i], w[i] = float64(g32[i]), float64(v.Floats()[i])
		}
		setGrad(p, g32...)
		o.Step(lr)
		for i, x := range want(step, g, w) {
			if d := math.Abs(float64(p.Update[i]) - x); !(d <= 1e-5*(1+math.Abs(x))) {
				t.Errorf("%s: step %d: update %d is %v, want %v", name, step, i, p.Update[i], x)
			}
		}
	}
}

func TestLion(t *testing.T) {
	m := make([]float64, 15)
	walk(t, "Lion", optim.Lion{Beta1: 0.9, Beta2: 0.99}, 3, 5, 6, 0.1, func(_ int, g, _ []float64) []float64 {
		u := make([]float64, len(g))
		for i, x := range g {
			u[i] = math.Copysign(1, 0.9*m[i]+(1-0.9)*x)
			m[i] = 0.99*m[i] + (1-0.99)*x
		}
		return u
	})
	g := group("g", []float32{1, 1, 1})
	setGrad(g.Params[0], 0, float32(math.Copysign(0, -1)), float32(math.NaN()))
	optim.New(optim.Lion{Beta1: 0.9, Beta2: 0.99}, []*optim.Group{g}).Step(0.1)
	if u := g.Params[0].Update; u[0] != 0 || u[1] != 0 || u[2] == u[2] {
		t.Errorf("the updates of gradients 0, -0 and NaN are %v", u)
	}
}

// Eps ahead of the bias correction, and the decay of the weight after the step.
func TestAdamHF(t *testing.T) {
	const eps, lr, decay = 0.1, 0.05, 0.2
	m, v := make([]float64, 15), make([]float64, 15)
	rule := optim.Chain{optim.AdamHF{Beta1: 0.9, Beta2: 0.99, Eps: eps}, optim.DecayAfter{Weight: decay}}
	walk(t, "AdamHF", rule, 3, 5, 6, lr, func(step int, g, w []float64) []float64 {
		u := make([]float64, len(g))
		c1, c2 := 1-math.Pow(0.9, float64(step)), 1-math.Pow(0.99, float64(step))
		for i, x := range g {
			m[i], v[i] = 0.9*m[i]+0.1*x, 0.99*v[i]+0.01*x*x
			after := w[i] - lr*math.Sqrt(c2)/c1*m[i]/(math.Sqrt(v[i])+eps)
			after -= lr * decay * after
			u[i] = (w[i] - after) / lr
		}
		return u
	})
}

func TestAdaLomo(t *testing.T) {
	for _, shape := range [][2]int{{3, 5}, {6, 2}, {1, 7}, {7, 1}, {1, 1}} {
		rows, cols := shape[0], shape[1]
		r, c := make([]float64, rows), make([]float64, cols)
		mean := func(x []float64) (sum float64) {
			for _, v := range x {
				sum += v
			}
			return sum / float64(len(x))
		}
		rms := func(x []float64) (sum float64) {
			for _, v := range x {
				sum += v * v
			}
			return math.Sqrt(sum / float64(len(x)))
		}
		walk(t, "AdaLomo", optim.AdaLomo{}, rows, cols, 4, 0.1, func(step int, g, w []float64) []float64 {
			beta := 1 - math.Pow(float64(step), -0.8)
			for i := range r {
				var squares []float64
				for j := range cols {
					squares = append(squares, g[i*cols+j]*g[i*cols+j])
				}
				r[i] = beta*r[i] + (1-beta)*mean(squares)
			}
			for j := range c {
				var squares []float64
				for i := range rows {
					squares = append(squares, g[i*cols+j]*g[i*cols+j])
				}
				c[j] = beta*c[j] + (1-beta)*mean(squares)
			}
			u := make([]float64, len(g))
			for i := range u {
				u[i] = g[i] / math.Sqrt(r[i/cols]*c[i%cols]/mean(r))
			}
			size := max(1e-3, rms(w)) / max(1, rms(u))
			for i := range u {
				u[i] *= size
			}
			return u
		})
	}
	// A zero gradient moves nothing, and a weight of zero moves by 1e-3 at most.
	g := group("g", []float32{0, 0}, []float32{0, 0})
	setGrad(g.Params[1], 3, -4)
	o := optim.New(optim.AdaLomo{}, []*optim.Group{g})
	o.Step(1)
	o.Step(1)
	// After the first step the weight's size is 1e-3 still.
	if a, b := g.Params[0].Update, g.Params[1].Update; a[0] != 0 || math.Abs(math.Hypot(float64(b[0]), float64(b[1]))-1e-3*math.Sqrt2) > 1e-8 {
		t.Errorf("updates %v and %v", a, b)
	}
}
