package probe

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/moe"
)

// outputGradient returns D, dL/dY over the run's batch, of the mean cross
// entropy of the outputs y, and scaled by a gain.
func (r *run) outputGradient(weight *mat.Dense, gain []float64) *mat.Dense {
	x := dense(tokens, r.m.In, r.x.Floats())
	y := product(1, x, weight.T())
	for i := range tokens {
		row := y.RawRowView(i)
		var sum float64
		for _, v := range row {
			sum += math.Exp(v)
		}
		for j := range row {
			row[j] = math.Exp(row[j]) / sum / tokens
		}
		row[r.t[i]] -= 1.0 / tokens
		for j := range row {
			if gain != nil {
				row[j] *= gain[j]
			}
		}
	}
	return y
}

// half returns the first or the second half of the rows.
func half(m *mat.Dense, second bool) mat.Matrix {
	n, c := m.Dims()
	if second {
		return m.Slice(n/2, n, 0, c)
	}
	return m.Slice(0, n/2, 0, c)
}

func TestFullGradient(t *testing.T) {
	for _, how := range []string{"random", "zero", "offset"} {
		for _, d := range []adapter.Delta{delta.LoRA{}, delta.DoRA{}} {
			t.Run(fmt.Sprintf("%T/%s", d, how), func(t *testing.T) {
				m := newMap(t, d, nil, 32, 24, 3)
				start(m, how)
				train := newRun(m)
				p := New([]*adapter.Map{m})
				train.lend(p)
				v := measured(t, p, 0)

				weight, err := m.Merged()
				if err != nil {
					t.Fatal(err)
				}
				var gain []float64
				if g := m.Form().Gain; g != nil {
					for _, x := range ag.Floats(g) {
						gain = append(gain, float64(x))
					}
				}
				dy := train.outputGradient(dense(m.Out, m.In, weight), gain)
				x := dense(tokens, m.In, train.x.Floats())
				g := product(1, dy.T(), x)
				near(t, v, "gradient_norm", mat.Norm(g, 2), 1e-5*mat.Norm(g, 2))
				near(t, v, "gradient_norm_error", 0, 0)

				// The mean gradients of the halves are twice their parts of G.
				g1, g2 := product(2, half(dy, false).T(), half(x, false)), product(2, half(dy, true).T(), half(x, true))
				signal := mat.Dot(vector(g1), vector(g2))
				apart := minus(g1, g2)
				noise := mat.Dot(vector(apart), vector(apart)) / (1./4 + 1./4)
				near(t, v, "gradient_signal", signal, 1e-4*math.Abs(signal))
				near(t, v, "gradient_variance", noise, 1e-5*noise)
				if signal > 0 {
					near(t, v, "gradient_noise_scale", noise/signal, 1e-4*noise/signal)
					near(t, v, "noise_scale", noise/signal, 1e-4*noise/signal)
				} else {
					absent(t, v, "gradient_noise_scale", "noise_scale")
				}

				a, b := factor(m, "A"), factor(m, "B")
				pa := product(1, pseudoInverse(a), a)
				pb := product(1, b, pseudoInverse(b))
				tangent := minus(plus(product(1, pb, g), product(1, g, pa)), product(1, pb, g, pa))
				energy := mat.Dot(vector(tangent), vector(tangent)) / mat.Dot(vector(g), vector(g))
				near(t, v, "captured_energy", energy, 1e-4)
				if how == "zero" { // LoRA's own start sees what A projects on
					seen := product(1, g, pa)
					near(t, v, "captured_energy", mat.Dot(vector(seen), vector(seen))/mat.Dot(vector(g), vector(g)), 1e-4)
				}
				s := float64(m.Scaling)
				own := product(s*s, plus(product(1, b, b.T(), g), product(1, g, a.T(), a)))
				cos := mat.Dot(vector(own), vector(g)) / (mat.Norm(own, 2) * mat.Norm(g, 2))
				near(t, v, "gradient_gap", 1-cos*cos, 1e-4)
				raw := mat.Norm(minus(own, g), 2) / mat.Norm(g, 2)
				near(t, v, "gradient_gap_raw", raw, 1e-4*raw)
				near(t, v, "equivalent_gradient_effective_rank", effectiveRank(own), 1e-3)
				near(t, v, "gradient_usage", effectiveRank(own)/effectiveRank(g), 1e-3)
			})
		}
	}
}

// Rows of G, pairs of rows of the batch and random vectors measure one thing.
func TestWaysToTheGradient(t *testing.T) {
	const n, in, out = 80, 70, 130
	rng := rand.New(rand.NewPCG(1, 2))
	x, dy := make([]float32, n*in), make([]float32, n*out)
	fill(x, 1, rng)
	fill(dy, 1, rng)
	g1 := product(1, dense(n, out, dy).Slice(0, 32, 0, out).T(), dense(n, in, x).Slice(0, 32, 0, in))
	g2 := product(1, dense(n, out, dy).Slice(32, n, 0, out).T(), dense(n, in, x).Slice(32, n, 0, in))
	want := [3]float64{mat.Dot(vector(g1), vector(g1)), mat.Dot(vector(g2), vector(g2)), mat.Dot(vector(g1), vector(g2))}
	var rows, pairs gradientSums
	rows.rows(&workspace{}, n, 32, in, out, x, dy)
	pairs.pairs(&workspace{}, n, 32, in, out, x, dy)
	for _, s := range []*gradientSums{&rows, &pairs} {
		for i, v := range []float64{s.first, s.second, s.cross} {
			if math.Abs(v-want[i]) > 1e-4*want[0] {
				t.Errorf("sum %d is %v, want %v", i, v, want[i])
			}
		}
	}
	total := rows.total()
	inside, squares := 0, 0.0
	const tries = 200
	for i := range tries {
		var s gradientSums
		s.estimate(&workspace{}, in, out, rand.New(rand.NewPCG(uint64(i), 1)), n, 32, x, dy)
		off := (s.total() - total) / math.Sqrt(s.variance)
		squares += off * off
		if math.Abs(off) < 2 {
			inside++
		}
		if math.Abs(s.first-want[0]) > want[0] || math.Abs(s.second-want[1]) > want[1] {
			t.Errorf("the parts are estimated as %v and %v, want near %v and %v", s.first, s.second, want[0], want[1])
		}
	}
	// About 95 % within two standard errors: 190 ± 3·3.
	if inside < 178 || squares/tries > 1.6 {
		t.Errorf("%d of %d estimates lie within two standard errors of the truth, mean square %v", inside, tries, squares/tries)
	}
}

// Gradients of examples with a known mean and variance: over many batches the
// halves find both.
func TestPlantedNoise(t *testing.T) {
	const n, out, noise = 16, 20, 0.7
	rng := rand.New(rand.NewPCG(5, 6))
	mean := make([]float64, out)
	var norm float64
	for j := range mean {
		mean[j] = rng.NormFloat64() / 4
		norm += mean[j] * mean[j]
	}
	ones := make([]float32, n)
	for i := range ones {
		ones[i] = 1
	}
	p := &Probe{Lab: &Lab{Halves: [2]Half{{6, 60}, {10, 100}}}}
	var signal, spread float64
	const batches = 4000
	for range batches {
		dy := make([]float32, n*out)
		for i := range dy {
			dy[i] = float32((mean[i%out] + noise*rng.NormFloat64()) / n) // of the mean over the batch
		}
		s := gradientSums{halved: true}
		s.rows(&workspace{}, n, 6, 1, out, ones, dy)
		_, _, cross, err := s.means(p)
		if err != nil {
			t.Fatal(err)
		}
		v, err := s.spread(p)
		if err != nil {
			t.Fatal(err)
		}
		signal, spread = signal+cross/batches, spread+v/batches
	}
	// 4000 batches know the variance, of 20 entries, to √(2/80000) of it.
	if want := out * noise * noise; math.Abs(spread-want) > 0.02*want {
		t.Errorf("the variance of an example is %v, want %v", spread, want)
	}
	if math.Abs(signal-norm) > 0.05*norm {
		t.Errorf("the signal is %v, want %v", signal, norm)
	}
}

// What the step teaches is, part by part, the difference of the outputs, and
// the drift is that of the outputs, whatever the form.
func TestFeatures(t *testing.T) {
	for _, how := range []string{"random", "offset"} {
		m := newMap(t, delta.LoRA{}, nil, 32, 24, 3)
		start(m, how)
		train := newRun(m)
		p := New([]*adapter.Map{m})
		train.backward()
		train.lend(p)
		a, b := factor(m, "A"), factor(m, "B")
		p.Before(1)
		train.descend(0.3)
		v := measured(t, p, 1)
		s, x := float64(m.Scaling), dense(tokens, m.In, train.x.Floats())
		da, db := minus(factor(m, "A"), a), minus(factor(m, "B"), b)
		rms := func(x mat.Matrix) float64 { return mat.Norm(x, 2) / math.Sqrt(tokens*float64(m.Out)) }
		d := []*mat.Dense{product(s, x, da.T(), b.T()), product(s, x, a.T(), db.T()), product(s, x, da.T(), db.T())}
		z := product(s, x, factor(m, "A").T(), factor(m, "B").T())
		base := product(1, x, dense(m.Out, m.In, m.W0()).T())
		weight, err := m.Merged()
		if err != nil {
			t.Fatal(err)
		}
		g := product(1, train.outputGradient(dense(m.Out, m.In, weight), nil).T(), x)
		step := product(s, plus(product(1, factor(m, "B"), da), product(1, db, factor(m, "A"))))
		near(t, v, "step_cosine", -mat.Dot(vector(step), vector(g))/(mat.Norm(step, 2)*mat.Norm(g, 2)), 1e-4)
		sum := plus(plus(d[0], d[1]), d[2])
		if off := rms(minus(sum, minus(z, product(s, x, a.T(), b.T())))); off > 1e-6*rms(sum) {
			t.Errorf("the parts' sum is off by %v of %v", off, rms(sum))
		}
		near(t, v, "rms_z", rms(z), 1e-5*rms(z))
		near(t, v, "rms_base", rms(base), 1e-5*rms(base))
		for i, part := range d {
			name := numbered("d", i+1)
			near(t, v, name, rms(part), 1e-5*rms(part))
			near(t, v, name+"_share", rms(part)/rms(z), 1e-5*rms(part)/rms(z))
			near(t, v, name+"_base", rms(part)/rms(base), 1e-5*rms(part)/rms(base))
		}
	}
}

func TestFunctionalDrift(t *testing.T) {
	for _, c := range []struct {
		d   adapter.Delta
		how string
	}{
		{delta.LoRA{}, "random"}, {delta.LoRA{}, "zero"}, {delta.LoRA{}, "offset"}, {delta.DoRA{}, "random"}, {delta.DoRA{}, "offset"},
		{delta.SVD{}, "random"}, {delta.VeRA{}, "random"}, {delta.HiRA{}, "random"}, {delta.Full{}, "whole"},
	} {
		m := newMap(t, c.d, nil, 32, 24, 3)
		m.Bias = ag.NewVariable(1, 32, nil)
		fill(m.Bias.Floats(), 1, rand.New(rand.NewPCG(4, 4)))
		start(m, c.how)
		train := newRun(m)
		p := New([]*adapter.Map{m})
		train.lend(p)
		v := measured(t, p, 0)
		w, err := m.Merged()
		if err != nil {
			t.Fatal(err)
		}
		x, w0 := dense(tokens, m.In, train.x.Floats()), dense(m.Out, m.In, m.W0())
		change, base := product(1, x, minus(dense(m.Out, m.In, w), w0).T()), product(1, x, w0.T())
		var up, down float64
		for i := range tokens {
			up += mat.Norm(change.RowView(i), 2)
			down += mat.Norm(base.RowView(i), 2)
		}
		near(t, v, "functional_drift", up/down, 1e-5*max(up/down, 1e-2))
	}
}

// With experts the drift is of each token's own mixture.
func TestRoutedDrift(t *testing.T) {
	m := newMap(t, delta.LoRA{}, moe.MoLA{PerLayer: 3, TopK: 2}, 32, 24, 6)
	train := newRun(m)
	p := New([]*adapter.Map{m})
	train.lend(p)
	v := measured(t, p, 0)
	s, x := float64(m.Scaling), dense(tokens, m.In, train.x.Floats())
	u := product(s, x, factor(m, "A").T())
	gates := ag.Floats(m.Gates())
	for i := range tokens {
		for k := range 6 {
			u.Set(i, k, u.At(i, k)*float64(gates[i*3+k/2]))
		}
	}
	change, base := product(1, u, factor(m, "B").T()), product(1, x, dense(m.Out, m.In, m.W0()).T())
	var up, down float64
	for i := range tokens {
		up += mat.Norm(change.RowView(i), 2)
		down += mat.Norm(base.RowView(i), 2)
	}
	near(t, v, "functional_drift", up/down, 1e-5*up/down)
	absent(t, v, "d1", "d2", "captured_energy")
}

// A loss is nearly linear in a short step: it falls as predicted.
func TestTrustRatio(t *testing.T) {
	for lr, off := range map[float32]float64{1e-2: 2e-2, 3: math.Inf(1)} {
		m := newMap(t, delta.LoRA{}, nil, 32, 24, 3)
		train := newRun(m)
		p := New([]*adapter.Map{m})
		train.backward()
		train.lend(p)
		before := train.value()
		p.Before(1)
		train.descend(lr)
		v := measured(t, p, 1)
		train.tape.Replay()
		want := (before - train.value()) / v["predicted_decrease"]
		near(t, v, "trust_ratio", want, 1e-9)
		if math.Abs(want-1) > off {
			t.Errorf("at lr %v the trust ratio is %v", lr, want)
		}
	}
}

// Gradients that were clipped are reported as they were.
func TestClipped(t *testing.T) {
	m := newMap(t, delta.LoRA{}, nil, 32, 24, 3)
	train := newRun(m)
	p := New([]*adapter.Map{m})
	train.backward()
	p.Before(1)
	want := measured(t, p, 1)
	for _, f := range m.Factors {
		for i := range f.GradFloats() {
			f.GradFloats()[i] /= 4
		}
	}
	p.Clipped = 0.25
	p.Before(1)
	v := measured(t, p, 1)
	for _, name := range []string{"grad_norm_a", "grad_norm_b", "captured_gradient_norm", "equivalent_gradient_norm"} {
		near(t, v, name, want[name], 1e-6*want[name])
	}
}
