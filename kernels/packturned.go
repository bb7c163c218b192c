package kernels

import "fmt"

// RepackTurned makes p columns from, …, to-1 of Qᵀ, for a Q (k×n) that is packed, in
// the memory of p if that suffices: the bits of what [Pack] makes of those. So a weight
// that is packed for y = x·W0ᵀ needs no other form for dx = dy·W0. The zero Packed will
// do for p. It panics if there are no such columns.
func (p *Packed) RepackTurned(q *Packed, from, to int) {
	if from < 0 || to < from || to > q.k {
		panic(fmt.Sprintf("kernels: RepackTurned: columns %d to %d, of %d", from, to, q.k))
	}
	p.resize(q.level, q.n, to-from)
	t := turnings.get()
	t.to, t.from, t.first = p, q, from
	Parallel(ceil(q.n, shapes[p.level].wide), t.job)
	*t = turning{job: t.job}
	turnings.put(t)
}

// A turning is a call of RepackTurned as the threads share it.
type turning struct {
	to, from *Packed
	first    int
	job      func(i int) // t.panel, bound once
}

var turnings = reusable[turning]{make: func() *turning {
	t := new(turning)
	t.job = t.panel
	return t
}}

// panel is one job: it takes one panel of from, which it reads from end to end, to a
// block of each of to.
func (t *turning) panel(i int) {
	p, q := t.to, t.from
	wide := shapes[p.level].wide
	c := i * wide
	rows, step := q.panel(c)
	for j := 0; j < p.n; j += wide {
		panel, width := p.panel(j)
		block := matrix{rows[(t.first+j)*step:], 1, step}
		packPanel(p.level, panel[c*width:], min(wide, q.n-c), min(wide, p.n-j), width, &block)
	}
}
