package probe

import (
	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/lora/geometry"
	"github.com/lowrank/lowrank/lora/internal/gram"
)

// overlapOf returns the mean over pairs of experts of the overlap of what they
// read, the row spaces of their parts of A, or of what they write.
func (l *layer) overlapOf(factor string) (float64, error) {
	if !gated(l.m) {
		return 0, noRouter
	}
	f := l.m.Factor(factor)
	if f == nil {
		return 0, Undefined("there is no factor " + factor)
	}
	w, experts := l.work, l.m.Router.Experts(l.m)
	rows, dim, data := f.Rows(), f.Cols(), f.Floats()
	if factor == "B" {
		w.q = gram.Resize(w.q, len(data))
		gram.Transpose(w.q, data, rows, dim)
		rows, dim, data = dim, rows, w.q
	}
	each := rows / experts
	var spaces []*mat.Dense
	for e := range experts {
		s, err := geometry.Span(geometry.Rows{N: each, Dim: dim, Data: data[e*each*dim : (e+1)*each*dim]})
		if err != nil {
			return 0, err
		}
		spaces = append(spaces, s)
	}
	sum, pairs := 0.0, 0.0
	for i, s := range spaces {
		for _, other := range spaces[:i] {
			if s != nil && other != nil {
				sum, pairs = sum+geometry.Overlap(s, other), pairs+1
			}
		}
	}
	if pairs == 0 {
		return 0, noSubspace
	}
	return sum / pairs, nil
}

// ofExperts makes the metric of a factor.
func ofExperts(factor, name, what string) Metric {
	return Metric{
		Name: "expert_overlap_" + name, Definition: "mean over pairs of experts of the mean squared cosine of the principal angles between their " + what + ": 1 where all are one space",
		Source: "Björck and Golub, Math. Comp. 27, 1973", Unit: "1", Range: "[0, 1]", Gauge: Dependent, Rescaling: Unscaled, Cost: "4r²·d", Tier: 2, Aggregate: Mean,
		value: func(l *layer) (float64, error) { return l.overlapOf(factor) },
	}
}

var (
	expertOverlapA = ofExperts("A", "a", "row spaces of A")
	expertOverlapB = ofExperts("B", "b", "column spaces of B")
)
