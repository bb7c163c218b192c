package chart

import (
	"cmp"
	"math"
	"slices"
)

// ends writes the texts at the right ends of lines, moved apart where they
// would touch.
func (p *pen) ends(c Plot, x, y scale, area box) {
	type end struct {
		at   float64
		text string
	}
	var list []end
	for _, s := range c.Series {
		if s.End == "" {
			continue
		}
		for i := len(s.X) - 1; i >= 0; i-- {
			if c.drawn(s, i) {
				list = append(list, end{min(max(y.at(s.Y[i]), area.top), area.bottom), s.End})
				break
			}
		}
	}
	slices.SortStableFunc(list, func(a, b end) int { return cmp.Compare(a.at, b.at) })
	const step = 11.0
	last := math.Inf(-1)
	for i := range list {
		list[i].at = max(list[i].at, last+step)
		last = list[i].at
	}
	limit := area.bottom + 2
	for i := len(list) - 1; i >= 0; i-- {
		list[i].at = min(list[i].at, limit)
		limit = list[i].at - step
	}
	for _, e := range list {
		p.text("x", area.right+4, e.at+4, e.text)
	}
}

// labels places every label at the free position nearest to its point, with a
// thin line to it where the way is long.
func (p *pen) labels(c Plot, x, y scale, area box) {
	var taken []box
	for _, s := range c.Series {
		for i := range s.X {
			if s.Mark && c.drawn(s, i) {
				r := 4.5
				if s.Small {
					r = 3
				}
				cx, cy := x.at(s.X[i]), y.at(s.Y[i])
				taken = append(taken, box{cx - r, cy - r, cx + r, cy + r})
			}
		}
	}
	bounds := box{area.left + 1, area.top, area.right, area.bottom - 2}
	for _, l := range c.Labels {
		if !c.X.shows(l.X) || !c.Y.shows(l.Y) || x.over(l.X) || y.over(l.Y) {
			continue
		}
		cx, cy := x.at(l.X), y.at(l.Y)
		w := textWidth(l.Text, smallSize)
		best, bestCost := box{}, math.Inf(1)
		for ring, radius := range []float64{7, 14, 24, 36, 50, 68} {
			for turn, d := range directions {
				centre := cx + d[0]*(radius+w/2)
				if d[0] != 1 && d[0] != -1 {
					centre = cx + d[0]*(radius+w/2)*0.9
				}
				middle := cy + d[1]*(radius+2)
				candidate := box{centre - w/2 - 1, middle - 6, centre + w/2 + 1, middle + 6}
				cost := float64(ring)*8 + float64(turn)*0.4
				for _, t := range taken {
					cost += candidate.overlap(t) * 3
				}
				cost += candidate.outside(bounds) * 20
				if cost < bestCost {
					best, bestCost = candidate, cost
				}
			}
		}
		taken = append(taken, best)
		nearX, nearY := min(max(cx, best.left), best.right), min(max(cy, best.top), best.bottom)
		if math.Hypot(nearX-cx, nearY-cy) > 11 {
			p.line("lead", cx, cy, nearX, nearY)
		}
		p.text("x m n halo", (best.left+best.right)/2, best.bottom-2, l.Text)
	}
}

// directions are the eight sides of a point, the preferred ones first.
var directions = [][2]float64{{1, 0}, {-1, 0}, {0, -1}, {0, 1}, {0.75, -0.75}, {0.75, 0.75}, {-0.75, -0.75}, {-0.75, 0.75}}

// overlap is the area that two boxes share.
func (b box) overlap(o box) float64 {
	return max(0, min(b.right, o.right)-max(b.left, o.left)) * max(0, min(b.bottom, o.bottom)-max(b.top, o.top))
}

// outside is how far b reaches beyond o, in pixels.
func (b box) outside(o box) float64 {
	return max(0, o.left-b.left) + max(0, b.right-o.right) + max(0, o.top-b.top) + max(0, b.bottom-o.bottom)
}
