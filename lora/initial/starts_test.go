package initial_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/nn"
	"gonum.org/v1/gonum/mat"
)

// starts are all initializers that fill A and B.
var starts = []adapter.Initializer{
	initial.Kaiming{}, initial.Gaussian{}, initial.Gaussian{Law: initial.FanIn}, initial.Gaussian{Law: initial.Xavier},
	initial.Orthogonal{}, initial.Orthonormal{}, initial.NonZero{A: 1, B: 1}, initial.NonZero{A: 1, B: 1, Offset: true},
	initial.SVD{}, initial.Truncate{}, initial.SVD{Iterations: 4}, initial.SVD{Smallest: true}, initial.QR{}, initial.Minor{},
	initial.Gradient{Gamma: 16}, initial.Gradient{Gamma: 16, Direction: initial.Random}, initial.Gradient{Gamma: 16, Scale: initial.Weights, PEFT: true},
	initial.Descent{Gamma: 128}, initial.Descent{Gamma: 128, Offset: true},
	initial.Null{}, initial.Quantized{Rounds: 2}, initial.Quantized{Rounds: 2, Int8: true}, initial.Projected{Step: 0.05}, initial.Projected{Step: 0.05, Ascend: true},
	initial.FineTuned{LR: 1}, initial.FineTuned{LR: 1, Factory: true},
	initial.Principal{}, initial.Principal{Whiten: true}, initial.Principal{Scale: true},
	initial.Oriented{Damping: 0.01}, initial.Oriented{Damping: 0.01, Preserve: true, Scaled: true},
	initial.DataAware{Gamma: 1024, Bias: 1, Variance: 0.03, Population: 1000, Damping: 1e-6},
}

// The function is the base's, but where the start says that it is not; and what
// is taken out of the base is what the factors put in.
func TestFunctionAtTheStart(t *testing.T) {
	for _, init := range starts {
		for _, shape := range shapes {
			m, _ := adapted(t, shape, init)
			a, b := factors(m)
			w := scaled(float64(m.Scaling), product(b, a))
			w.Add(w, dense(m.Out, m.In, m.Base.Floats()))
			off := mat.Norm(minus(w, dense(m.Out, m.In, m.W0())), 2)
			if moved := slices.Contains(init.Provides(), adapter.Moved); moved != (off > 1e-4) {
				t.Errorf("%T%+v: says that it moves the function: %t; it is off by %.2g", init, init, moved, off)
			}
			if start, _ := m.Start(); start != nil && !slices.Contains(init.Needs(), adapter.Additive) {
				t.Errorf("%T%+v changes the base, and does not need an additive update", init, init)
			}
		}
	}
}

// The values depend on the seed and the map's name alone, and a start of which
// nothing is drawn does not depend on the seed.
func TestSeeds(t *testing.T) {
	for _, init := range starts {
		of := func(seed uint64) []float32 {
			m, _ := seeded(t, shapes[0], init, seed)
			return slices.Concat(m.Factor("A").Floats(), m.Factor("B").Floats())
		}
		if !slices.Equal(of(1), of(1)) {
			t.Errorf("%T%+v: the same seed gives another start", init, init)
		}
		drawn := false
		switch i := init.(type) {
		case initial.Kaiming, initial.Gaussian, initial.Orthogonal, initial.Orthonormal, initial.NonZero, initial.Truncate, initial.Projected:
			drawn = true
		case initial.SVD:
			drawn = i.Iterations > 0
		case initial.Gradient:
			drawn = i.Direction == initial.Random
		}
		if slices.Equal(of(1), of(2)) == drawn {
			t.Errorf("%T%+v: is drawn: %t; seeds make no difference: %t", init, init, drawn, drawn)
		}
	}
}

// A wider set of maps changes none of their starts.
func TestMapsAreIndependent(t *testing.T) {
	for _, init := range starts {
		alone, _ := adapted(t, shapes[0], init)
		two := make([]*adapter.Map, 2)
		for i, name := range []string{"other", "lin"} {
			m, err := adapter.New(nn.NewLinear(name, alone.Out, alone.In, alone.W0()), 0, 1, delta.LoRA{}, nil, rank, alpha)
			if err != nil {
				t.Fatal(err)
			}
			two[i] = m
		}
		_, g := adapted(t, shapes[0], initial.Kaiming{})
		x := moments(activations(alone.In))
		x.Output = outputs(alone.Out)
		err := init.Init(two, adapter.Inputs{
			Rand: streams(1), Gradient: func(*adapter.Map) []float32 { return g },
			Moments: func(*adapter.Map) *adapter.Moments { return x },
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"A", "B"} {
			if !slices.Equal(two[1].Factor(name).Floats(), alone.Factor(name).Floats()) {
				t.Errorf("%T%+v: %s depends on another map", init, init, name)
			}
		}
	}
}

func TestOrthonormal(t *testing.T) {
	m, _ := adapted(t, shapes[0], initial.Orthonormal{})
	a, b := factors(m)
	equal(t, "A·Aᵀ", product(a, a.T()), mat.NewDiagDense(rank, []float64{1, 1, 1}))
	equal(t, "B", b, mat.NewDense(m.Out, rank, nil))
	// More rows than columns: the columns are orthonormal.
	m, _ = adapted(t, [2]int{7, 2}, initial.Orthonormal{})
	a, _ = factors(m)
	equal(t, "Aᵀ·A", product(a.T(), a), mat.NewDiagDense(2, []float64{1, 1}))
	// Uniform: the mean over seeds of A is zero, that of A·Aᵀ's diagonal entries of a
	// row is 1/in.
	sum, squares := 0.0, 0.0
	for seed := range uint64(400) {
		m, _ := seeded(t, shapes[0], initial.Orthonormal{}, seed)
		v := float64(m.Factor("A").Floats()[0])
		sum, squares = sum+v, squares+v*v
	}
	if in := float64(shapes[0][1]); math.Abs(sum/400) > 5/math.Sqrt(400*in) || math.Abs(squares/400*in-1) > 5*math.Sqrt(2.0/400) {
		t.Errorf("A[0,0] has the moments %v and %v, want 0 and %v", sum/400, squares/400, 1/in)
	}
}

// s·B·A is one step down the gradient's best approximation of rank r, and its
// factors share the singular values.
func TestDescent(t *testing.T) {
	const gamma = 128
	for _, shape := range shapes {
		m, g := adapted(t, shape, initial.Descent{Gamma: gamma})
		a, b := factors(m)
		u, s, v := decomposed(dense(m.Out, m.In, g))
		step := scaled(-1/(gamma*s[0]), truncated(u, s, v, 0, rank))
		if d := mat.Norm(minus(product(b, a), step), 2); d > 1e-6*mat.Norm(step, 2) {
			t.Errorf("B·A is off by %.2g of a step of %.2g", d, mat.Norm(step, 2))
		}
		balanced := mat.NewDiagDense(rank, []float64{1. / gamma, s[1] / s[0] / gamma, s[2] / s[0] / gamma})
		equal(t, "A·Aᵀ", product(a, a.T()), balanced)
		equal(t, "Bᵀ·B", product(b.T(), b), balanced)
		if dot := mat.Trace(product(product(b, a).T(), dense(m.Out, m.In, g))); dot >= 0 {
			t.Errorf("the start goes up the gradient: %v", dot)
		}
	}
}

// s·B·A is the change of the weight, of which calibration tells what was lost, in its
// best approximation of rank r; in LoRAFactory's form it is s times that.
func TestFineTuned(t *testing.T) {
	for _, shape := range shapes {
		for _, factory := range []bool{false, true} {
			m, fall := adapted(t, shape, initial.FineTuned{LR: 1, Factory: factory})
			a, b := factors(m)
			u, s, v := decomposed(dense(m.Out, m.In, fall))
			by := float64(m.Scaling)
			if factory {
				by = 1
			}
			equal(t, "B·A", scaled(by, product(b, a)), scaled(-1, truncated(u, s, v, 0, rank)))
			shared := mat.NewDiagDense(rank, []float64{s[0] / by, s[1] / by, s[2] / by})
			equal(t, "A·Aᵀ", product(a, a.T()), shared)
			equal(t, "Bᵀ·B", product(b.T(), b), shared)
		}
	}
}

// The start does not depend on the scale of the loss, and on a quadratic loss
// ‖W·X − Y‖² it goes down.
func TestDescentOfALoss(t *testing.T) {
	m, _ := adapted(t, shapes[0], initial.Descent{Gamma: 128})
	x := activations(m.In)
	y := mat.NewDense(60, m.Out, nil)
	for i := range 60 {
		for j := range m.Out {
			y.Set(i, j, math.Sin(float64(i*m.Out+j)))
		}
	}
	loss := func(w mat.Matrix) float64 {
		n := mat.Norm(minus(product(x, w.T()), y), 2)
		return n * n
	}
	w0 := dense(m.Out, m.In, m.W0())
	gradient := product(minus(product(x, w0.T()), y).T(), x)
	var before []float32
	for _, size := range []float64{1, 64} {
		g := make([]float32, m.Out*m.In)
		for i := range g {
			g[i] = float32(size * gradient.RawMatrix().Data[i])
		}
		err := initial.Descent{Gamma: 1e6}.Init([]*adapter.Map{m}, adapter.Inputs{Rand: streams(1), Gradient: func(*adapter.Map) []float32 { return g }})
		if err != nil {
			t.Fatal(err)
		}
		a, b := factors(m)
		w := scaled(float64(m.Scaling), product(b, a))
		w.Add(w, w0)
		if loss(w) >= loss(w0) {
			t.Errorf("the loss goes from %v to %v", loss(w0), loss(w))
		}
		if now := slices.Concat(m.Factor("A").Floats(), m.Factor("B").Floats()); before == nil {
			before = now
		} else if !slices.Equal(before, now) {
			t.Error("the start depends on the scale of the loss")
		}
	}
}

// B has the left singular vectors of the smallest singular values, and a step of
// gradient descent on A moves the weight along P_B·G.
func TestMinor(t *testing.T) {
	for _, shape := range shapes {
		m, _ := adapted(t, shape, initial.Minor{})
		a, b := factors(m)
		u, s, v := decomposed(dense(m.Out, m.In, m.W0()))
		p := len(s)
		equal(t, "Bᵀ·B", product(b.T(), b), mat.NewDiagDense(rank, []float64{1, 1, 1}))
		equal(t, "A", a, mat.NewDense(rank, m.In, nil))
		equal(t, "B·Bᵀ·W0", product(b, b.T(), dense(m.Out, m.In, m.W0())), truncated(u, s, v, p-rank, p))
	}
}

// A spans the directions in which the inputs vary most, in their order: what it
// keeps of the centred inputs is the best of rank r.
func TestPrincipal(t *testing.T) {
	for _, shape := range shapes {
		c := centred(activations(shape[1]))
		_, s, v := decomposed(c)
		for _, init := range []initial.Principal{{}, {Whiten: true}, {Scale: true}} {
			m, _ := adapted(t, shape, init)
			a, b := factors(m)
			for k := range rank {
				same(t, "a row of A", a.RowView(k), v.ColView(k))
				length := 1.0
				switch {
				case init.Whiten:
					length = 1 / math.Sqrt(s[k])
				case init.Scale:
					length = s[k] / s[0]
				}
				if n := mat.Norm(a.RowView(k), 2); math.Abs(n-length) > 1e-6 {
					t.Errorf("%+v: row %d has the length %v, want %v", init, k, n, length)
				}
			}
			equal(t, "B", b, mat.NewDense(m.Out, rank, nil))
		}
	}
}

// A planted subspace is found, whatever the mean of the inputs is.
func TestPrincipalIsPlanted(t *testing.T) {
	const in, n = 12, 50
	plane := mat.NewDense(rank, in, nil) // rows of a discrete cosine transform
	for k := range rank {
		for j := range in {
			plane.Set(k, j, math.Sqrt(2.0/in)*math.Cos(math.Pi*(float64(j)+0.5)*float64(k+1)/in))
		}
	}
	x := mat.NewDense(n, in, nil)
	for i := range n {
		for j := range in {
			sum := 100 + 1e-3*math.Sin(float64(i*in+j)) // a mean, and noise
			for k := range rank {
				sum += math.Cos(float64((i+1)*(k+2)*(k+1))) * plane.At(k, j)
			}
			x.Set(i, j, sum)
		}
	}
	m, err := adapter.New(nn.NewLinear("lin", 9, in, make([]float32, 9*in)), 0, 1, delta.LoRA{}, nil, rank, alpha)
	if err != nil {
		t.Fatal(err)
	}
	err = initial.Principal{}.Init([]*adapter.Map{m}, adapter.Inputs{Rand: streams(1), Moments: func(*adapter.Map) *adapter.Moments { return moments(x) }})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := factors(m)
	for _, cosine := range values(product(a, plane.T())) {
		if cosine < 1-1e-4 {
			t.Errorf("a principal angle to the planted subspace has the cosine %v", cosine)
		}
	}
}

// In the metric of the inputs, what is left of the base has the smallest (or
// with Preserve the largest) singular values, and B·A the others: Eckart and
// Young's theorem for (W0 − s·B·A)·C.
func TestOriented(t *testing.T) {
	for _, shape := range shapes {
		for _, init := range []initial.Oriented{{Damping: 0.01}, {Damping: 0.01, Preserve: true}, {Damping: 0.3, Scaled: true}} {
			m, _ := adapted(t, shape, init)
			a, b := factors(m)
			x := moments(activations(m.In))
			c := mat.NewDense(m.In, m.In, slices.Clone(x.Second))
			if init.Scaled {
				c = mat.NewDense(m.In, m.In, slices.Clone(x.Scaled))
			}
			mean := mat.Trace(c) / float64(m.In)
			for i := range m.In {
				c.Set(i, i, c.At(i, i)+init.Damping*mean)
			}
			w0 := dense(m.Out, m.In, m.W0())
			u, s, _ := decomposed(product(w0, c))
			first := 0
			if init.Preserve {
				first = len(s) - rank
			}
			out, _ := u.Dims()
			taken := u.Slice(0, out, first, first+rank)
			want := product(taken, taken.T(), w0) // U_r·U_rᵀ·W0·C·C⁻¹
			close := func(what string, got, want mat.Matrix) {
				t.Helper()
				if d := mat.Norm(minus(got, want), 2); d > 1e-5*mat.Norm(w0, 2) {
					t.Errorf("%v %+v: %s is off by %.2g", shape, init, what, d)
				}
			}
			close("s·B·A", scaled(float64(m.Scaling), product(b, a)), want)
			close("the base", dense(m.Out, m.In, m.Base.Floats()), minus(w0, want))
			balanced := mat.NewDense(rank, rank, nil)
			for k := range rank {
				balanced.Set(k, k, s[first+k]/float64(m.Scaling))
			}
			if d := mat.Norm(minus(product(b.T(), b), balanced), 2); d > 1e-5*s[first]/float64(m.Scaling) {
				t.Errorf("%v %+v: Bᵀ·B is off by %.2g of %.2g", shape, init, d, s[first])
			}
		}
	}
}

// A, B against the authors' formulas, computed in another way: with explicit
// inverses, and the eigenvectors of Ω from its singular value decomposition
// after a shift.
func TestDataAware(t *testing.T) {
	for _, init := range []initial.DataAware{
		{Gamma: 1024, Bias: 2, Variance: 1, Population: 3, Damping: 1}, // so much that it turns the directions
		{Gamma: 4, Bias: 2, Variance: 0, Population: 3, Damping: 0.5},
	} {
		for _, shape := range shapes {
			m, g := adapted(t, shape, init)
			a, b := factors(m)
			x, y := moments(activations(m.In)), outputs(m.Out)
			z := mat.NewDense(m.In, m.In, slices.Clone(x.Second))
			for i := range m.In {
				z.Set(i, i, z.At(i, i)+init.Damping)
			}
			var inverse mat.Dense
			if err := inverse.Inverse(z); err != nil {
				t.Log(err)
			}
			sum := 0.0
			step := product(&inverse, dense(m.Out, m.In, g).T())
			for j := range m.Out {
				sum += 1 / (y[j] + init.Damping)
				for i := range m.In {
					step.Set(i, j, -step.At(i, j)/(y[j]+init.Damping))
				}
			}
			sigma := values(step)[0]
			step.Scale(1/sigma, step)
			omega := scaled(-init.Bias, product(step, step.T()))
			omega.Add(omega, scaled(init.Variance*sum/float64(init.Population)/sigma/sigma, &inverse))
			shift := values(omega)[0] // more than any eigenvalue
			shifted := scaled(-1, omega)
			for i := range m.In {
				shifted.Set(i, i, shifted.At(i, i)+shift)
			}
			u, s, _ := decomposed(shifted) // the largest of the shift less Ω are the least of Ω
			if s[rank-1]-s[rank] < 1e-4*shift {
				t.Fatalf("the test's eigenvalues are too close: %v", s)
			}
			v := u.Slice(0, m.In, 0, rank)
			p := product(v, v.T())
			g1 := 1 / init.Gamma
			equal(t, "Aᵀ·A·γ", scaled(init.Gamma, product(a.T(), a)), p)
			equal(t, "B·A·γ", scaled(1/g1, product(b, a)), product(step.T(), p))
			if dot := mat.Trace(product(product(b, a).T(), dense(m.Out, m.In, g))); dot >= 0 {
				t.Errorf("the start goes up the gradient: %v", dot)
			}
		}
	}
}

// With white inputs and outputs and no variance the rows of A are those of the
// gradient's best approximation.
func TestDataAwareOfWhiteData(t *testing.T) {
	m, g := adapted(t, shapes[1], initial.Kaiming{})
	x := &adapter.Moments{Rows: 1, Mean: make([]float64, m.In), Second: make([]float64, m.In*m.In), Scaled: make([]float64, m.In*m.In), Output: make([]float64, m.Out)}
	for i := range m.In {
		x.Second[i*m.In+i] = 1
	}
	for j := range m.Out {
		x.Output[j] = 3
	}
	err := initial.DataAware{Gamma: 1, Bias: 1, Population: 1, Damping: 1e-6}.Init([]*adapter.Map{m}, adapter.Inputs{
		Rand: streams(1), Gradient: func(*adapter.Map) []float32 { return g }, Moments: func(*adapter.Map) *adapter.Moments { return x },
	})
	if err != nil {
		t.Fatal(err)
	}
	a, b := factors(m)
	u, s, v := decomposed(dense(m.Out, m.In, g))
	equal(t, "B·A", product(b, a), scaled(-1/s[0], truncated(u, s, v, 0, rank)))
}

// NonZero's product has the size that its variances give, in the mean over
// seeds, and both gradients are alive: neither factor has a zero.
func TestNonZero(t *testing.T) {
	const draws = 50
	squares := 0.0
	var m *adapter.Map
	for seed := range uint64(draws) {
		m, _ = seeded(t, shapes[0], initial.NonZero{A: 1, B: 1}, seed)
		a, b := factors(m)
		n := mat.Norm(product(b, a), 2)
		squares += n * n / draws
		if mat.Norm(a, 2) == 0 || mat.Norm(b, 2) == 0 {
			t.Fatal("a factor is zero")
		}
	}
	variance := 1 / (3 * float64(m.In))
	if want := float64(m.Out*m.In*rank) * variance * variance; math.Abs(squares/want-1) > 0.15 {
		t.Errorf("‖B·A‖² is %v in the mean, want %v", squares, want)
	}
	offset, _ := adapted(t, shapes[0], initial.NonZero{A: 1, B: 1, Offset: true})
	unchanged(t, offset)
}

// What cannot be is refused in one line that says where and why.
func TestRefused(t *testing.T) {
	shape := [2]int{20, 12}
	ok := func() *adapter.Moments { x := moments(activations(12)); x.Output = outputs(20); return x }
	gradient := func(*adapter.Map) []float32 { return make([]float32, 240) }
	for _, c := range []struct {
		init    adapter.Initializer
		rank    int
		moments *adapter.Moments
		says    string
	}{
		{initial.Principal{}, 3, nil, "calibration has no activations of it"},
		{initial.Principal{}, 13, ok(), "rank is 13: must be at most its 12 inputs"},
		{initial.Principal{}, 3, moments(activations(11)), "of 11 values, the weight is 20×12"},
		{initial.Principal{}, 3, moments(mat.NewDense(4, 12, nil)), "all the same"},
		{initial.Oriented{Damping: 0.01}, 13, ok(), "rank is 13"},
		{initial.Oriented{Damping: 0.01}, 3, moments(mat.NewDense(4, 12, nil)), "activations are all zero"},
		{initial.Quantized{Rounds: 1}, 13, nil, "rank is 13"},
		{initial.Null{}, 13, ok(), "rank is 13"},
		{initial.Minor{}, 13, nil, "rank is 13"},
		{initial.SVD{Smallest: true}, 13, nil, "rank is 13"},
		{initial.Descent{Gamma: 128}, 13, nil, "rank is 13"},
		{initial.Descent{Gamma: 128}, 3, nil, "the gradient is zero"},
		{initial.Projected{Step: 1}, 13, nil, "rank is 13"},
		{initial.Projected{Step: 1}, 3, nil, "no step to start with"},
		{initial.FineTuned{LR: 1}, 13, nil, "rank is 13"},
		{initial.FineTuned{LR: 1}, 3, nil, "the warm-up has changed nothing"},
		{initial.Truncate{}, 12, nil, "rank is 12, the weight 20×12: must be below 12"},
		{initial.DataAware{Gamma: 1, Bias: 1, Population: 1, Damping: 1e-6}, 3, moments(activations(12)), "no gradients of its outputs"},
		{initial.DataAware{Gamma: 1, Bias: 1, Population: 1, Damping: 1e-6}, 3, ok(), "the gradient is zero"},
	} {
		m, err := adapter.New(nn.NewLinear("lin", shape[0], shape[1], make([]float32, 240)), 0, 1, delta.LoRA{}, nil, c.rank, alpha)
		if err != nil {
			t.Fatal(err)
		}
		err = c.init.Init([]*adapter.Map{m}, adapter.Inputs{Rand: streams(1), Gradient: gradient, Moments: func(*adapter.Map) *adapter.Moments { return c.moments }})
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "initial: lin: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%T: says %v, want …%s…", c.init, err, c.says)
		}
	}
	for _, c := range []struct {
		init adapter.Checker
		says string
	}{
		{initial.SVD{Smallest: true, Iterations: 2}, "iterations is 2: must be 0"},
		{initial.Gaussian{Law: 4}, "law is 4"},
		{initial.SVD{Split: 3}, "split is 3"},
		{initial.SVD{Split: initial.Middle, Keep: true}, "keep is set"},
		{initial.FirstStep{}, "step is 0"},
		{initial.FirstStep{Step: 1, Warmup: -1}, "warmup is -1"},
		{initial.FirstStep{Step: 1, Warmup: 2, Factory: true}, "both set"},
		{initial.Projected{}, "step is 0"},
		{initial.Quantized{}, "rounds is 0"},
		{initial.Quantized{Rounds: 1, Double: true, Int8: true}, "both set"},
		{initial.Projected{Step: 1, Least: 5, Most: 4}, "ranks from 5 to 4"},
		{initial.Gradient{Gamma: 16, Least: 3, Most: 2}, "ranks from 3 to 2"},
		{initial.Principal{Rho: 0.5}, "rho is 0.5"},
		{initial.Gradient{Gamma: 16, Direction: 4}, "direction is 4"},
		{initial.Gradient{Gamma: 16, Scale: -1}, "scale is -1"},
		{initial.Gradient{}, "gamma is 0"},
		{initial.FineTuned{}, "lr is 0"},
		{initial.Descent{}, "gamma is 0"},
		{initial.NonZero{A: 1}, "b is 0"},
		{initial.Principal{Whiten: true, Scale: true}, "both set"},
		{initial.Oriented{}, "damping is 0"},
		{initial.DataAware{Gamma: 1, Bias: 1, Damping: 1}, "population is 0"},
	} {
		if err := c.init.Check(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%T%+v: says %v, want …%s…", c.init, c.init, err, c.says)
		}
	}
}

// Values of a configuration that mean nothing are no start, and do no harm.
func TestFromPEFTRefuses(t *testing.T) {
	type stored interface {
		FromPEFT(any, map[string]any) (adapter.Initializer, bool)
	}
	for _, c := range []struct {
		init   stored
		start  any
		config map[string]any
		ok     bool
	}{
		{initial.Gradient{}, "lora_ga", map[string]any{}, true},
		{initial.Gradient{}, "lora_ga", map[string]any{"lora_ga_config": map[string]any{"direction": "up"}}, false},
		{initial.Gradient{}, "lora_ga", map[string]any{"lora_ga_config": map[string]any{"direction": []any{1}}}, false},
		{initial.Gradient{}, "lora_ga", map[string]any{"lora_ga_config": map[string]any{"scale": 3.0}}, false},
		{initial.Gradient{}, "pissa", map[string]any{}, false},
		{initial.Oriented{}, "corda", map[string]any{"corda_config": map[string]any{"corda_method": []any{}}}, false},
		{initial.Oriented{}, "corda", map[string]any{"corda_config": nil}, true},
		{initial.Principal{}, "eva", map[string]any{"eva_config": map[string]any{"rho": 2.0}}, true},
		{initial.Principal{}, "eva", map[string]any{"eva_config": map[string]any{"rho": 0.5}}, false},
		{initial.Principal{}, "eva", map[string]any{}, true},
		{initial.Quantized{}, "loftq", map[string]any{}, true},
		{initial.Quantized{}, "loftq", map[string]any{"loftq_config": map[string]any{"loftq_bits": 4.0, "loftq_iter": 3.0}}, true},
		{initial.Quantized{}, "loftq", map[string]any{"loftq_config": map[string]any{"loftq_bits": 8.0}}, true},
		{initial.Quantized{}, "loftq", map[string]any{"loftq_config": map[string]any{"loftq_bits": 3.0}}, false},
		{initial.Quantized{}, "loftq", map[string]any{"loftq_config": map[string]any{"loftq_iter": 0.0}}, false},
		{initial.Principal{}, []any{}, map[string]any{}, false},
	} {
		if got, ok := c.init.FromPEFT(c.start, c.config); ok != c.ok {
			t.Errorf("%v %v is read as %+v, %t", c.start, c.config, got, ok)
		}
	}
}
