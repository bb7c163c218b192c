package analyze

import (
	"fmt"
	"strconv"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/lora/geometry"
)

// between adds how two adapters of one map stand to each other; interference,
// which is not symmetric, is that of the first with the other.
func (s *sheet) between(m, other *Map) {
	if m.missing != nil || other.missing != nil {
		return
	}
	d, err := m.svd()
	if err == nil {
		var e geometry.SVD
		if e, err = other.svd(); err == nil {
			err = s.compare(m, other, d, e)
		}
	}
	if err != nil {
		s.note(fmt.Errorf("ΔW: %w", err))
	}
}

func (s *sheet) compare(m, other *Map, d, e geometry.SVD) error {
	if m.whole == nil && other.whole == nil {
		s.add("cosine", geometry.Cosine(m.update, other.update))
	}
	s.add("interference", geometry.Interference(d, e))
	left, right := d.Leading(m.Rank)
	otherLeft, otherRight := e.Leading(other.Rank)
	for _, side := range []struct {
		name string
		p, q *mat.Dense
	}{{"left", left, otherLeft}, {"right", right, otherRight}} {
		angles, err := geometry.Angles(side.p, side.q)
		if err != nil {
			return err
		}
		s.add("overlap_"+side.name, geometry.Overlap(side.p, side.q))
		if len(angles) > 0 {
			s.add("grassmann_"+side.name, geometry.Geodesic(angles))
		}
		for i, a := range angles {
			s.add("angle_"+side.name+"_"+strconv.Itoa(i+1), a)
		}
	}
	return nil
}
