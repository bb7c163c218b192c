package ag

// A lending is memory that outputs of blocks lie in, one block after the other.
type lending struct {
	free  map[int][][]float32 // by size
	by    *Tape               // whose outputs are there
	block int                 // of its blocks
}

func newLending() *lending { return &lending{free: map[int][][]float32{}} }

// take returns memory for n values, nil where there is none.
func (l *lending) take(n int) []float32 {
	list := l.free[n]
	if len(list) == 0 {
		return nil
	}
	l.free[n] = list[:len(list)-1]
	return list[len(list)-1]
}

// give takes memory back.
func (l *lending) give(x []float32) { l.free[len(x)] = append(l.free[len(x)], x) }

// hold notes that the outputs of a block of a tape have been computed there.
func (l *lending) hold(by *Tape, block int) { l.by, l.block = by, block }

// bytes returns the size of what is free.
func (l *lending) bytes() (n int) {
	for size, list := range l.free {
		n += 4 * size * len(list)
	}
	return n
}
