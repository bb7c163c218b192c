package loratest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"gonum.org/v1/gonum/mat"
)

// start: the adapted model computes what the base does, or something else where
// the initializer says that its start is Moved.
func (s *suite) start() error {
	want, err := logits(base())
	if err != nil {
		return err
	}
	model, set, err := s.inject()
	if err != nil {
		return err
	}
	if n := 7 * config.NumHiddenLayers; len(set.Maps) != n {
		return fmt.Errorf("%d maps are adapted of %d", len(set.Maps), n)
	}
	got, err := logits(model)
	if err != nil {
		return err
	}
	if moved := slices.Contains(s.method.Initial.Provides(), adapter.Moved); !moved {
		return closeTo(got, want)
	}
	if slices.Equal(got, want) {
		return fmt.Errorf("the initializer says that it moves the function, and does not")
	}
	return nil
}

// merge: the merged model computes what the adapted one does, and the base
// comes back.
func (s *suite) merge() error {
	model, set, err := s.moved()
	if err != nil {
		return err
	}
	want, err := logits(model)
	if err != nil {
		return err
	}
	if unadapted, _ := logits(base()); closeTo(want, unadapted) == nil {
		return fmt.Errorf("factors away from their start change nothing")
	}
	err = set.Merge()
	if s.method.Router == nil {
		if err != nil {
			return err
		}
		got, err := logits(model)
		if err != nil {
			return err
		}
		if err := closeTo(got, want); err != nil {
			return fmt.Errorf("merged: %w", err)
		}
		set.Unmerge()
	} else if err == nil {
		return fmt.Errorf("maps with a router were merged")
	}
	got, err := logits(model)
	if err != nil {
		return err
	}
	if err := equal("unmerged: logits", got, want); err != nil {
		return err
	}
	if err := untouched(model); err != nil {
		return fmt.Errorf("unmerged: %w", err)
	}
	set.Remove()
	if got, err = logits(model); err != nil {
		return err
	}
	want, err = logits(base())
	if err == nil {
		err = equal("removed: logits", got, want)
	}
	return err
}

// gradients: along a direction that is half the gradient, half random, the
// cross entropy changes as the gradient says. What parts add to the objective
// is left out: a balance takes the experts' shares as constants, and the
// operators have tests of their own.
func (s *suite) gradients() error {
	model, set, err := s.moved()
	if err != nil {
		return err
	}
	r, err := build(model)
	if err != nil {
		return err
	}
	if err := r.Backward(r.task); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(seed, 3))
	for _, m := range set.Maps {
		for _, f := range m.Factors {
			name := m.Name + "." + f.Name
			switch g := f.GradFloats(); {
			case !f.Trained && g != nil:
				return fmt.Errorf("%s is not trained and has a gradient", name)
			case f.Trained && g == nil:
				return fmt.Errorf("%s is trained and has no gradient", name)
			case f.Trained:
				if err := slope(r, m, f, rng); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	}
	return nil
}

// slope compares one directional derivative with a central difference. A loss
// around 3 is known to a few roundings, 1e-6, so that a step h gives the slope
// to 1e-6/h. Where the function bends, or a router changes its choice within a
// step, a smaller one must agree.
func slope(r *run, m *adapter.Map, f *adapter.Factor, rng *rand.Rand) error {
	v, want := direction(f.GradFloats(), rng)
	if want == 0 {
		return fmt.Errorf("the gradient is zero")
	}
	keep, err := keepGain(m, f)
	if err != nil {
		return err
	}
	x := f.Floats()
	start := append([]float32(nil), x...)
	at := func(h float64) (float64, error) {
		for i := range x {
			x[i] = float32(float64(start[i]) + h*v[i])
		}
		defer copy(x, start)
		restore, err := keep()
		if err != nil {
			return 0, err
		}
		defer restore()
		r.Replay()
		return float64(ag.Floats(r.task)[0]), nil
	}
	var tried []string
	for _, h := range []float64{8e-3, 2e-3, 5e-4} {
		up, err := at(h)
		if err != nil {
			return err
		}
		down, err := at(-h)
		if err != nil {
			return err
		}
		have := (up - down) / (2 * h)
		if math.Abs(have-want) <= 1e-6/h+0.01*math.Abs(want) {
			return nil
		}
		tried = append(tried, fmt.Sprintf("%.6f at h = %g", have, h))
	}
	return fmt.Errorf("the gradient says the slope is %.6f, it is %s", want, strings.Join(tried, ", "))
}

// direction returns the mean of the unit vectors of the gradient and of a
// random direction on its side, and the slope there.
func direction(g []float32, rng *rand.Rand) (v []float64, slope float64) {
	v = make([]float64, len(g))
	var gg, vv, gv float64
	for i := range g {
		v[i] = rng.NormFloat64()
		gg += float64(g[i]) * float64(g[i])
		vv += v[i] * v[i]
		gv += float64(g[i]) * v[i]
	}
	if gg == 0 {
		return v, 0
	}
	for i := range g {
		v[i] = (v[i]/math.Copysign(math.Sqrt(vv), gv) + float64(g[i])/math.Sqrt(gg)) / 2
		slope += v[i] * float64(g[i])
	}
	return v, slope
}

// keepGain returns a function that, after f has moved, sets the magnitude so
// that the form's gain is as it was: where the norms are a constant of the
// backward pass, only then is the gradient the function's. Of attached norms
// nothing is kept.
func keepGain(m *adapter.Map, f *adapter.Factor) (at func() (restore func(), err error), err error) {
	magnitude := m.Factor("M")
	form, err := m.Freestanding()
	d, _ := m.Delta.(delta.DoRA)
	if err != nil || form.Gain == nil || f == magnitude || d.Attached {
		return func() (func(), error) { return func() {}, nil }, err
	}
	gain := append([]float32(nil), ag.Floats(form.Gain)...)
	return func() (func(), error) {
		moved, err := m.Freestanding()
		if err != nil {
			return nil, err
		}
		x := magnitude.Floats()
		start := append([]float32(nil), x...)
		for i, g := range ag.Floats(moved.Gain) {
			x[i] *= gain[i] / g
		}
		return func() { copy(x, start) }, nil
	}, nil
}

// size: the change of each weight has no more than the stated rank, and the
// optimizer trains the stated number of values.
func (s *suite) size() error {
	_, set, err := s.moved()
	if err != nil {
		return err
	}
	n := 0
	for _, g := range set.Groups() {
		for _, p := range g.Params {
			if p.Value.RequiresGrad() { // a rule may ask for frozen factors, to read them
				n += len(p.Value.Floats())
			}
		}
	}
	if n != set.TrainedParameters() {
		return fmt.Errorf("%d parameters are stated, the optimizer trains %d", set.TrainedParameters(), n)
	}
	if s.method.Router != nil {
		return nil
	}
	return bounded(set)
}

// bounded returns an error where the change of a weight has a higher rank than
// is stated.
func bounded(set *lora.Set) error {
	for _, m := range set.Maps {
		w, err := m.Merged()
		if err != nil {
			return err
		}
		d := mat.NewDense(m.Out, m.In, nil)
		for i := range w {
			d.Set(i/m.In, i%m.In, float64(w[i])-float64(m.W0()[i]))
		}
		var svd mat.SVD
		if !svd.Factorize(d, mat.SVDNone) {
			return fmt.Errorf("%s: no singular values", m.Name)
		}
		// The weight is rounded to float32, 6e-8 of values around one.
		const rounding = 1e-5
		for k, v := range svd.Values(nil) {
			if k >= m.RankBound() && v > rounding {
				return fmt.Errorf("%s: the rank is stated as %d at most, singular value %d is %.2g", m.Name, m.RankBound(), k+1, v)
			}
		}
	}
	return nil
}
