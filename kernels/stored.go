package kernels

import "fmt"

// A Stored is a matrix (Rows×Cols) in the format that it is kept in, row after row
// without gaps. Of the fields behind the shape those of the format are set.
type Stored struct {
	Format     Dtype
	Rows, Cols int
	Floats     []float32  // F32
	Words      []uint16   // BF16 and F16
	Ints       []int8     // Int8
	Scale      []float32  // Int8: one a row
	NF4        *NF4Weight // NF4, of the same shape
}

// Quantize rounds a matrix (rows×cols) to a format: see [EncodeBF16], [EncodeF16],
// [QuantizeInt8] and [QuantizeNF4]. F32 keeps x itself. It returns an error if the
// format needs finite numbers and x has another, and panics if x is too short.
func Quantize(d Dtype, rows, cols int, x []float32) (*Stored, error) {
	const fn = "Quantize"
	checkSize(fn, "rows", rows)
	checkSize(fn, "cols", cols)
	checkMatrix(fn, "x", rows, cols, x, cols)
	s, n := &Stored{Format: d, Rows: rows, Cols: cols}, rows*cols
	x = x[:n]
	var err error
	switch d {
	case F32:
		s.Floats = x
	case BF16, F16:
		s.Words = make([]uint16, n)
		encode := EncodeBF16
		if d == F16 {
			encode = EncodeF16
		}
		const part = 1 << 14
		Parallel(ceil(n, part), func(i int) {
			end := min(n, (i+1)*part)
			encode(s.Words[i*part:end], x[i*part:end])
		})
	case Int8:
		s.Ints, s.Scale = make([]int8, n), make([]float32, rows)
		if err = checkFinite(fn, rows, cols, x, cols); err != nil {
			return nil, err
		}
		Parallel(rows, func(i int) {
			row := i * cols
			_ = QuantizeInt8(1, cols, x[row:], cols, s.Ints[row:], cols, s.Scale[i:]) // of finite numbers there is no error
		})
	case NF4:
		s.NF4, err = QuantizeNF4(rows, cols, x, cols)
	default:
		panic(fmt.Sprintf("kernels: Quantize: %v is none of the formats", d))
	}
	return s, err
}

// Len returns the number of elements.
func (s *Stored) Len() int { return s.Rows * s.Cols }

// Bytes returns the memory of the matrix.
func (s *Stored) Bytes() int {
	if s.Format == NF4 && s.NF4.Largest != nil {
		return len(s.NF4.Codes) + 4*len(s.NF4.Largest)
	}
	return s.Format.Bytes(s.Rows, s.Cols)
}

// check panics unless the matrix has all its elements.
func (s *Stored) check(fn string) {
	checkSize(fn, "Rows", s.Rows)
	checkSize(fn, "Cols", s.Cols)
	switch n := s.Rows * s.Cols; s.Format {
	case F32:
		checkVector(fn, "Floats", n, s.Floats)
	case BF16, F16:
		checkVector(fn, "Words", n, s.Words)
	case Int8:
		checkVector(fn, "Ints", n, s.Ints)
		checkVector(fn, "Scale", s.Rows, s.Scale)
	case NF4:
		s.NF4.check(fn)
	}
}

// Decode writes the elements from number first on, row after row, to x. It panics if
// there are not as many.
func (s *Stored) Decode(x []float32, first int) {
	const fn = "Stored.Decode"
	checkSize(fn, "first", first)
	if first > s.Len()-len(x) {
		panic(fmt.Sprintf("kernels: %s: elements %d to %d, of %d", fn, first, first+len(x), s.Len()))
	}
	switch s.Format {
	case F32:
		copy(x, s.Floats[first:])
	case BF16:
		decodeBF16(x, s.Words[first:])
	case F16:
		decodeF16(x, s.Words[first:])
	case Int8:
		for len(x) > 0 {
			i, j := first/s.Cols, first%s.Cols
			n := min(len(x), s.Cols-j)
			decodeInt8(x[:n], s.Ints[first:], s.Scale[i])
			x, first = x[n:], first+n
		}
	case NF4:
		s.NF4.decode(x, first)
	}
}

// RepackStored makes p columns from, …, to-1 of a right-hand operand that s holds as
// op says, in the memory of p if that suffices: the bits of what [Pack] makes of those
// of the matrix in float32. The zero Packed will do. A product of a few columns at a
// time needs no more panels than theirs, and has the bits of the whole.
func (p *Packed) RepackStored(op Op, s *Stored, from, to int) {
	const fn = "RepackStored"
	s.check(fn)
	k, n := s.Rows, s.Cols
	if op == NT {
		k, n = n, k
	}
	checkHeld(fn, "s", op, k, n)
	if from < 0 || to < from || to > n {
		panic(fmt.Sprintf("kernels: %s: columns %d to %d, of %d", fn, from, to, n))
	}
	if k == 0 || from == to {
		p.resize(active, k, to-from)
		return
	}
	first, scale := from, s.Scale // the place of the first element
	if op == NT {
		first *= s.Cols
		if s.Format == Int8 {
			scale = scale[from:]
		}
	}
	held := stored{format: s.Format, ld: s.Cols, scale: scale}
	switch s.Format {
	case F32:
		p.resize(active, k, to-from)
		view := matrix{s.Floats[first:], s.Cols, 1}
		if op == NT {
			view = view.transposed()
		}
		p.fill(view)
		return
	case BF16, F16:
		held.words = s.Words[first:]
	case Int8:
		held.bytes = s.Ints[first:]
	case NF4:
		held.nf4, held.first = s.NF4, first
	}
	p.decode(op, k, to-from, held)
}
