package ag

import "slices"

// Slabs are the memory of tapes that run in turns: what one of them has there the next
// writes over.
type slabs struct{ all []*slab } // from the smallest to the largest

type slab struct {
	data  []float32
	of    *Workspace   // that it was made for
	taken []*Workspace // those that have something in it
}

// take returns memory for n values: the least that is large enough and holds nothing
// of w's yet. As many values in as many pieces, each no larger than one of another
// workspace, all find room where those are.
func (s *slabs) take(w *Workspace, n int) []float32 {
	i := s.from(n)
	for ; i < len(s.all); i++ {
		if b := s.all[i]; !slices.Contains(b.taken, w) {
			b.taken = append(b.taken, w)
			return b.data[:n:n]
		}
	}
	b := &slab{make([]float32, n), w, []*Workspace{w}}
	s.all = slices.Insert(s.all, s.from(n), b)
	return b.data
}

// from returns the place of the first that is large enough.
func (s *slabs) from(n int) int {
	i, _ := slices.BinarySearchFunc(s.all, n, func(b *slab, n int) int { return len(b.data) - n })
	return i
}

// drop lets x, what w has taken, go.
func (s *slabs) drop(w *Workspace, x []float32) {
	if len(x) == 0 {
		return
	}
	for i := s.from(len(x)); i < len(s.all); i++ {
		b := s.all[i]
		if &b.data[0] != &x[0] {
			continue
		}
		if b.of == w {
			s.all = slices.Delete(s.all, i, i+1)
			return
		}
		b.taken = slices.DeleteFunc(b.taken, func(o *Workspace) bool { return o == w })
		return
	}
}
