package probe

import "github.com/lowrank/lowrank/lora/geometry"

// leading returns the subspaces of W0's r leading triplets, which are looked for
// once, without a copy of W0.
func (l *layer) leading() (*kept, error) {
	if !l.searched {
		l.searched = true
		if left, right := geometry.Subspaces(l.m.W0(), l.m.Out, l.m.In, l.m.Rank, l.rng()); left != nil {
			l.top.keep(left, right)
		}
	}
	if len(l.top.left) == 0 {
		return nil, noLeading
	}
	return &l.top, nil
}

const noLeading Undefined = "W0 has no leading directions to tell apart from the others"

var overlapTop = func() []Metric {
	var both []Metric
	for side, space := range []string{"left", "right"} {
		m := overlapOf("overlap_top", space, "r leading ones")
		m.Gauge, m.Rescaling, m.Cost, m.Tier = Invariant, Unscaled, "14r²·d + 40r³, and once some 200·r·in·out", 2
		m.value = func(l *layer) (float64, error) {
			if _, err := l.netSpaces(); err != nil { // before the search, which costs most
				return 0, err
			}
			k, err := l.leading()
			if err != nil {
				return 0, err
			}
			return k.overlap(l, side == 1)
		}
		both = append(both, m)
	}
	return both
}()
