package loratest

import (
	"math"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/probe"
	"gonum.org/v1/gonum/mat"
)

// measured compares with the singular values of the dense change, before the gain
// where there is one.
func measured(method lora.Method) error {
	for _, rank := range []int{1, 3, 8} {
		s := shape{out: 32, in: 24, rank: rank, alpha: float64(rank), steps: 6, seed: 1}
		r, err := s.regress(method, nil)
		if err != nil {
			return err
		}
		m := r.set.Maps[0]
		p := probe.New(r.set.Maps)
		p.Dense = true
		for step := range s.steps {
			if err := r.backward(); err != nil {
				return err
			}
			p.Before(step)
			if step > 0 { // first at the start itself
				r.taken++
				adapter.Step(r.plan, r.opt, r.taken, 0.02)
			}
			have := map[string]float64{}
			rows, err := p.After(step, probe.Tier0|probe.Tier1)
			if err != nil {
				return err
			}
			for _, row := range rows {
				if math.IsNaN(row.Value) {
					return errorf("rank %d: step %d: %s is NaN", rank, step, row.Name)
				}
				have[row.Name] = row.Value
			}
			want, err := spectrum(m)
			if err != nil {
				return err
			}
			for name, x := range want {
				// Ranks count what is no rounding of the float32 weights.
				if d := math.Abs(have[name] - x); !(d <= 2e-3*(1+x)) {
					return errorf("rank %d: step %d: %s is %v, want %v", rank, step, name, have[name], x)
				}
			}
		}
	}
	return nil
}

// spectrum returns the metrics of W' − W0 by a dense decomposition.
func spectrum(m *adapter.Map) (map[string]float64, error) {
	w, err := m.Merged()
	if err != nil {
		return nil, err
	}
	if f := m.Form(); f.LowRank() { // without the gain
		w = slices.Clone(m.Base.Floats())
		f, err := m.Freestanding()
		if err != nil {
			return nil, err
		}
		a, b := ag.Floats(f.A), ag.Floats(f.B)
		r, _ := ag.Dims(f.A)
		for i := range m.Out {
			for k := range r {
				for j := range m.In {
					w[i*m.In+j] += m.Scaling * b[i*r+k] * a[k*m.In+j]
				}
			}
		}
	}
	d := dense(m.Out, m.In, w)
	d.Sub(d, dense(m.Out, m.In, m.W0()))
	var svd mat.SVD
	if !svd.Factorize(d, mat.SVDNone) {
		return nil, errorf("no singular values")
	}
	want := map[string]float64{}
	sigma := svd.Values(nil)
	if sigma[0] < 1e-5 { // rounding of float32 weights around one
		return map[string]float64{"frobenius_norm": 0, "spectral_norm": 0}, nil
	}
	var one, two float64
	for _, x := range sigma {
		one += x
		two += x * x
	}
	want["frobenius_norm"], want["spectral_norm"], want["nuclear_norm"] = math.Sqrt(two), sigma[0], one
	want["stable_rank"] = two / sigma[0] / sigma[0]
	return want, nil
}

func converted(m lora.Method) error {
	s := small(6)
	r, err := s.regress(m, nil)
	if err != nil {
		return err
	}
	for range s.steps {
		if err := r.step(0.02); err != nil {
			return err
		}
	}
	want, err := r.weight()
	if err != nil {
		return err
	}
	plain, _, err := lora.Convert(r.set, 0, 0)
	if err != nil {
		if plain, _, err = lora.Convert(r.set, s.in, 0); err != nil {
			return err
		}
	}
	r.set.Remove()
	if err := plain.Attach(); err != nil {
		return err
	}
	w, err := plain.Maps[0].Merged()
	if err != nil {
		return err
	}
	if d := apart(want, dense(s.out, s.in, w)); !(d <= 1e-6) { // float32 factors
		return errorf("the converted weight is off by %.3g", d)
	}
	return nil
}
