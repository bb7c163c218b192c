package probe

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/geometry"
)

// A rotation of the rows of A by a planted angle, and of the columns of B by
// another, is measured back.
func TestPlantedRotation(t *testing.T) {
	for _, angle := range []float64{1e-3, 0.3, 1.2} {
		m := newMap(t, delta.LoRA{}, nil, 32, 24, 3)
		a, b := m.Factor("A").Floats(), m.Factor("B").Floats()
		clear(a)
		clear(b)
		for k := range 3 { // rows e_0, e_1, e_2 and columns e_0, e_1, e_2, mixed
			for j := range 3 {
				a[k*24+j], b[j*3+k] = float32(1+k*j), float32(2+j*(k-1))
			}
		}
		a[2*24+1] += 2 // not singular
		b[2*3+2] += 3
		newRun(m)
		p := New([]*adapter.Map{m})
		p.Before(1)
		turn := func(x []float32, dim, stride, count, from, to int, by float64) {
			for k := range count {
				i, j := from*dim+k*stride, to*dim+k*stride
				u, v := float64(x[i]), float64(x[j])
				x[i], x[j] = float32(math.Cos(by)*u-math.Sin(by)*v), float32(math.Sin(by)*u+math.Cos(by)*v)
			}
		}
		turn(a, 1, 24, 3, 1, 10, angle)
		turn(b, 3, 1, 3, 2, 20, angle/2)
		v := measured(t, p, 1)
		const float32s = 1e-6
		for _, name := range []string{"angle_step", "angle_start", "distance_step", "distance_start"} {
			near(t, v, name+"_a", angle, float32s)
			near(t, v, name+"_b", angle/2, float32s)
		}
		for _, name := range []string{"chordal_step", "chordal_start"} {
			near(t, v, name+"_a", math.Sin(angle), float32s)
			near(t, v, name+"_b", math.Sin(angle/2), float32s)
		}
	}
}

// With B = 0 there is no column space to turn from.
func TestNoSubspace(t *testing.T) {
	m := newMap(t, delta.LoRA{}, nil, 32, 24, 3)
	clear(m.Factor("B").Floats())
	train := newRun(m)
	train.backward()
	p := New([]*adapter.Map{m})
	absent(t, measured(t, p, 0), "condition_b") // 0/0
	p.Before(1)
	train.descend(0.1)
	v := measured(t, p, 1)
	absent(t, v, "angle_step_b", "angle_start_b")
	near(t, v, "angle_step_a", 0, 1e-6)
}

// What W' and W0 are to each other, against dense decompositions.
func TestStanding(t *testing.T) {
	for _, d := range []adapter.Delta{delta.LoRA{}, delta.DoRA{}, delta.VeRA{}, delta.HiRA{}, delta.Full{}} {
		for _, how := range []string{"random", "offset"} {
			if how == "offset" && fmt.Sprintf("%T", d) != "delta.LoRA" && fmt.Sprintf("%T", d) != "delta.DoRA" {
				continue
			}
			t.Run(fmt.Sprintf("%T/%s", d, how), func(t *testing.T) {
				m := newMap(t, d, nil, 32, 24, 2)
				start(m, how)
				if how == "offset" { // away from the base
					fill(m.Factor("A").Floats(), 2, rand.New(rand.NewPCG(1, 1)))
					fill(m.Factor("B").Floats(), 2, rand.New(rand.NewPCG(1, 2)))
				}
				newRun(m)
				p := New([]*adapter.Map{m})
				v := measured(t, p, 0)
				merged, err := m.Merged()
				if err != nil {
					t.Fatal(err)
				}
				w, w0 := dense(32, 24, merged), dense(32, 24, m.W0())
				ours, base := svd(w), svd(w0)

				count, some, all := 0.0, 0.0, 0.0
				for j := range intruderCount {
					most := 0.0
					for i := range 24 {
						most = max(most, math.Abs(mat.Dot(ours.U.ColView(j), base.U.ColView(i))))
					}
					all += ours.S[j]
					if most < intruderEpsilon {
						count++
						some += ours.S[j]
					}
				}
				near(t, v, "intruders", count, 0)
				near(t, v, "intruders_not", intruderCount-count, 0)
				near(t, v, "intruders_undecided", 0, 0)
				near(t, v, "intruder_energy", some/all, 1e-6)

				var magnitude, direction float64
				for i := range 32 {
					a, b := w0.RowView(i), w.RowView(i)
					magnitude += math.Abs(mat.Norm(b, 2)-mat.Norm(a, 2)) / 32
					direction += (1 - mat.Dot(a, b)/(mat.Norm(a, 2)*mat.Norm(b, 2))) / 32
				}
				near(t, v, "magnitude_change", magnitude, 1e-6)
				near(t, v, "direction_change", direction, 1e-6)

				if !m.Form().LowRank() {
					absent(t, v, "overlap", "amplification")
					return
				}
				change := w // with a gain, before it
				if m.Form().Gain != nil {
					change = plus(dense(32, 24, m.Base.Floats()), product(float64(m.Scaling), factor(m, "B"), factor(m, "A")))
				}
				change = minus(change, w0)
				own := svd(change)
				const k = 2
				u, x := own.U.Slice(0, 32, 0, k), own.V.Slice(0, 24, 0, k)
				overlap := func(q *mat.Dense, from, to int, own mat.Matrix) float64 {
					rows, _ := q.Dims()
					n := mat.Norm(product(1, q.Slice(0, rows, from, to).T(), own), 2)
					return n * n / float64(min(to-from, k))
				}
				near(t, v, "overlap_top_left", overlap(base.U, 0, 2, u), 1e-6)
				near(t, v, "overlap_top_right", overlap(base.V, 0, 2, x), 1e-6)
				near(t, v, "overlap_top4_right", overlap(base.V, 0, 8, x), 1e-6)
				near(t, v, "overlap_bottom_left", overlap(base.U, 22, 24, u), 1e-6)
				near(t, v, "overlap_bottom_right", overlap(base.V, 22, 24, x), 1e-6)
				whole := k
				if how == "offset" {
					whole = 2 * k
				}
				want := mat.Norm(change, 2) / mat.Norm(product(1, own.U.Slice(0, 32, 0, whole).T(), w0, own.V.Slice(0, 24, 0, whole)), 2)
				near(t, v, "amplification", want, 1e-5*want)
			})
		}
	}
}

func svd(m *mat.Dense) geometry.SVD {
	var s mat.SVD
	s.Factorize(m, mat.SVDThin)
	d := geometry.SVD{U: new(mat.Dense), V: new(mat.Dense), S: s.Values(nil)}
	s.UTo(d.U)
	s.VTo(d.V)
	return d
}

// A direction that W0 hardly has, made the strongest, is the one intruder.
func TestPlantedIntruder(t *testing.T) {
	m := newMap(t, delta.LoRA{}, nil, 32, 24, 1)
	base := svd(dense(32, 24, m.W0()))
	a, b := m.Factor("A").Floats(), m.Factor("B").Floats()
	for i := range b { // all of W0's left vectors alike
		b[i] = 0
		for j := range 24 {
			b[i] += float32(base.U.At(i, j) / math.Sqrt(24))
		}
	}
	for j := range a {
		a[j] = float32(100 * base.V.At(j, 5) / float64(m.Scaling))
	}
	newRun(m)
	p := New([]*adapter.Map{m})
	v := measured(t, p, 0)
	near(t, v, "intruders", 1, 0)
	if v["intruder_energy"] < 0.5 {
		t.Errorf("the intruder has %v of the energy", v["intruder_energy"])
	}
}

// The leading triplets of the gradient come from products alone.
func TestFirstGradient(t *testing.T) {
	m := newMap(t, delta.LoRA{}, nil, 32, 24, 3)
	clear(m.Factor("B").Floats())
	train := newRun(m)
	p := New([]*adapter.Map{m})
	train.lend(p)
	absent(t, measured(t, p, 0), "overlap_gradient") // ΔW is zero

	weight, err := m.Merged()
	if err != nil {
		t.Fatal(err)
	}
	g := product(1, train.outputGradient(dense(32, 24, weight), nil).T(), dense(tokens, 24, train.x.Floats()))
	d := svd(g)
	for i := range 3 { // a step against the gradient's own leading part
		for j := range 24 {
			m.Factor("A").Floats()[i*24+j] = float32(d.V.At(j, i))
		}
		for j := range 32 {
			m.Factor("B").Floats()[j*3+i] = float32(-d.S[i] * d.U.At(j, i))
		}
	}
	v := measured(t, p, 1)
	near(t, v, "overlap_gradient_left", 1, 1e-2) // of so few iterations on a flat spectrum
	near(t, v, "overlap_gradient_right", 1, 1e-2)

	again := New([]*adapter.Map{m})
	again.Restore(p.State())
	train.lend(again)
	if w := measured(t, again, 2); w["overlap_gradient_left"] != v["overlap_gradient_left"] {
		t.Errorf("after its state was restored it is %v, was %v", w["overlap_gradient_left"], v["overlap_gradient_left"])
	}
}
