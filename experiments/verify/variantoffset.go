package verify

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/initial"
)

// offset compares a start whose product was taken out of the base. Each
// component is known up to its sign.
func (s *start) offset() {
	m := s.set.Maps[0]
	a, b, err := s.factors()
	if err != nil {
		s.fail("init", err)
		return
	}
	nameA, wantA, okA := s.value(a)
	nameB, wantB, okB := s.value(b)
	if !okA || !okB {
		return
	}
	weight := "init." + layerName + ".base_layer.weight"
	left := Values // the tolerance of what is left of the base
	if s.Deterministic != nil && !*s.Deterministic {
		s.approximate(nameA+", "+nameB, wantA, wantB)
		// The base is what these factors leave of it.
		m.OffsetBy(ag.NewVariable(m.Rank, m.In, wantA), ag.NewVariable(m.Out, m.Rank, wantB))
	} else {
		gotA, gotB := slices.Clone(a.Floats()), slices.Clone(b.Floats())
		for k := range m.Rank {
			align(gotA[k*m.In:(k+1)*m.In], gotB[k:], m.Rank, wantA[k*m.In:], wantB[k:])
		}
		blur, outer := s.blur()
		left.Abs = max(left.Abs, outer*float64(m.Scaling)*largest(wantA)*largest(wantB))
		s.rows.near(nameA, gotA, wantA, Tolerance{Abs: blur * largest(wantA), Rel: 1e-4})
		s.rows.near(nameB, gotB, wantB, Tolerance{Abs: blur * largest(wantB), Rel: 1e-4})
	}
	s.tensors.near(s.rows, weight, s.stored(m.Base.Floats()), s.w, left)
	for _, p := range s.parts {
		if p.Variable == a.Variable || p.Variable == b.Variable || strings.HasPrefix(p.names[0], layerName+".base_layer.") {
			continue
		}
		if name, want, ok := s.value(p); ok {
			s.rows.near(name, p.Floats(), want, Values)
		}
	}
}

// align turns the sign of a component, a row of A and a column of B, to agree
// with that of another.
func align(a, b []float32, rank int, wantA, wantB []float32) {
	var dot float64
	for j := range a {
		dot += float64(a[j]) * float64(wantA[j])
	}
	if dot >= 0 {
		return
	}
	for j := range a {
		a[j] = -a[j]
	}
	for i := 0; i < len(b); i += rank {
		b[i] = -b[i]
	}
}

// sizes returns the size of each component, ‖a‖·‖b‖.
func sizes(a, b []float32, rank int) []float64 {
	n := make([]float64, rank)
	in := len(a) / rank
	for k := range n {
		var sa, sb float64
		for _, v := range a[k*in : (k+1)*in] {
			sa += float64(v) * float64(v)
		}
		for i := k; i < len(b); i += rank {
			sb += float64(b[i]) * float64(b[i])
		}
		n[k] = math.Sqrt(sa * sb)
	}
	return n
}

// blur is how far a vector may be off, over its size: PEFT decomposes in
// float32, which turns the vectors of two components into one another by the
// rounding over the distance of their singular values. Outer is that of the
// component that is next to those of the base that is left: it blurs their
// product, which others leave as it is.
func (s *start) blur() (any, outer float64) {
	const rounding = 3e-6 // of the largest
	m := s.set.Maps[0]
	all := sizes(m.Factor("A").Floats(), m.Factor("B").Floats(), m.Rank)
	next := norm(m.Base.Floats(), m.Out, m.In) / float64(m.Scaling)
	slices.Sort(all)
	most, gap := all[len(all)-1], math.Abs(all[0]-next)
	outer = min(rounding*most/gap, 0.1)
	for i, v := range all[1:] {
		gap = min(gap, v-all[i])
	}
	return min(max(1e-4, rounding*most/gap), 0.1), outer
}

// norm returns the largest singular value of w, from a few rounds of the power
// method.
func norm(w []float32, rows, cols int) float64 {
	v, u := make([]float64, cols), make([]float64, rows)
	for j := range v {
		v[j] = 1 + math.Sin(float64(j)) // not at right angles to anything likely
	}
	var size float64
	for range 100 {
		clear(u)
		for i := range rows {
			for j, x := range w[i*cols : (i+1)*cols] {
				u[i] += float64(x) * v[j]
			}
		}
		clear(v)
		for i := range rows {
			for j, x := range w[i*cols : (i+1)*cols] {
				v[j] += float64(x) * u[i]
			}
		}
		var squares float64
		for _, x := range v {
			squares += x * x
		}
		if squares == 0 {
			return 0
		}
		size = math.Sqrt(squares)
		for j := range v {
			v[j] /= size
		}
	}
	return math.Sqrt(size)
}

// approximate compares the components of a randomized decomposition, of which
// only the sizes are known: at most the exact ones, as a projection has no
// larger singular values, and not much less.
func (s *start) approximate(name string, a, b []float32) {
	short := 0.3 // of a size, where the singular values fall slowly
	if v, ok := s.method.Initial.(initial.SVD); ok && v.Iterations == 0 {
		short = 0.8 // without a round of iteration
	}
	m := s.set.Maps[0]
	got, want := sizes(m.Factor("A").Floats(), m.Factor("B").Floats(), m.Rank), sizes(a, b, m.Rank)
	slices.Sort(got)
	slices.Sort(want)
	row := Row{Name: name, Status: Pass, Count: len(a) + len(b), Tolerance: fmt.Sprintf("sizes, rel %g", short)}
	for k := range got {
		row.MaxAbs = max(row.MaxAbs, math.Abs(got[k]-want[k]))
		row.MaxRel = max(row.MaxRel, math.Abs(got[k]-want[k])/want[k])
		if !(want[k] <= got[k]*(1+1e-3) && want[k] >= got[k]*(1-short)) && row.Status == Pass {
			row.Status, row.Note = Fail, fmt.Sprintf("component %d from the smallest has the size %.4g, here %.4g", k, want[k], got[k])
		}
	}
	s.add(row)
}
