package kernels

import (
	"math"
	"slices"
	"sort"
)

// An NF4Weight is a weight (Rows×Cols) in 4-bit NormalFloat with double
// quantization (QLoRA, arXiv 2305.14314, section 3), as bitsandbytes stores it.
// The elements are taken row after row without gaps and cut into blocks of 64:
// element e of block b = e/64 stands for
//
//	absmax_b = Map[Absmax[b]]·Scale[b/256] + Offset
//	w_e      = nf4[code_e]·absmax_b
//
// where code_e is the upper half of Codes[e/2] if e is even, the lower half if it
// is odd, and nf4 are the 16 numbers of the paper's appendix E. Each product and
// sum is rounded to float32, in this order. Without the second quantization Largest
// has the absmax themselves, and the fields that make them are not used.
//
// In a checkpoint of bitsandbytes these are weight, absmax, nested_quant_map,
// nested_absmax and the quant_state's nested_offset.
type NF4Weight struct {
	Rows, Cols int
	Codes      []byte    // of two elements each
	Absmax     []byte    // one a block, places in Map
	Map        []float32 // 256 numbers of -1 to 1
	Scale      []float32 // one for each 256 blocks
	Offset     float32
	Largest    []float32 // one a block; nil where they are quantized
}

// nf4Block is how many elements share an absmax, nf4Group how many of these share
// a scale.
const (
	nf4Block = 64
	nf4Group = 256
)

// nf4 are quantiles of the standard normal distribution, scaled so that the
// largest is 1.
var nf4 = [16]float32{
	-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453,
	-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0,
	0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
	0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
}

// check panics unless the parts of w have the lengths that its shape demands.
func (w *NF4Weight) check(fn string) {
	checkSize(fn, "w.Rows", w.Rows)
	checkSize(fn, "w.Cols", w.Cols)
	n := w.Rows * w.Cols
	checkVector(fn, "w.Codes", ceil(n, 2), w.Codes)
	if w.Largest != nil {
		checkVector(fn, "w.Largest", ceil(n, nf4Block), w.Largest)
		return
	}
	checkVector(fn, "w.Absmax", ceil(n, nf4Block), w.Absmax)
	checkVector(fn, "w.Map", 256, w.Map)
	checkVector(fn, "w.Scale", ceil(n, nf4Block*nf4Group), w.Scale)
}

// DecodeNF4 writes the weight to x (w.Rows×w.Cols). It panics if x or a part of w
// is too short.
func DecodeNF4(w *NF4Weight, x []float32, ldx int) {
	const fn = "DecodeNF4"
	w.check(fn)
	checkMatrix(fn, "x", w.Rows, w.Cols, x, ldx)
	if w.Cols == 0 {
		return
	}
	for i := range w.Rows {
		w.decode(x[i*ldx:][:w.Cols], i*w.Cols)
	}
}

// blocksAtOnce is how many blocks are decoded by one call, enough for what comes with
// it not to count.
const blocksAtOnce = 16

// decode writes the elements from number first on. A part of a block goes by way of
// the whole.
func (w *NF4Weight) decode(x []float32, first int) {
	var absmax [blocksAtOnce]float32
	for len(x) > 0 {
		b, skip := first/nf4Block, first%nf4Block
		n := min(len(x)/nf4Block, blocksAtOnce)
		if skip > 0 || n == 0 {
			var codes [nf4Block / 2]byte
			var block [nf4Block]float32
			copy(codes[:], w.Codes[b*len(codes):])
			absmax[0] = w.absmax(b)
			decodeBlocks(block[:], codes[:], absmax[:1])
			n = copy(x, block[skip:])
			x, first = x[n:], first+n
			continue
		}
		for i := range n {
			absmax[i] = w.absmax(b + i)
		}
		decodeBlocks(x, w.Codes[b*nf4Block/2:], absmax[:n])
		x, first = x[n*nf4Block:], first+n*nf4Block
	}
}

// absmax returns what the numbers of block b are multiplied by.
func (w *NF4Weight) absmax(b int) float32 {
	if w.Largest != nil {
		return w.Largest[b]
	}
	return float32(w.Map[w.Absmax[b]]*w.Scale[b/nf4Group]) + w.Offset // not fused
}

// QuantizeNF4 rounds a weight (rows×cols) to 4-bit NormalFloat: each element,
// divided by the largest of its block, to the nearest of the 16 numbers, of two to
// the lower one; and each block's largest, less their mean and divided by what is
// then the largest of 256, to the nearest of the 256 numbers of the dynamic data
// type (8-bit Optimizers, arXiv 2110.02861, section 1.3). It returns an error if an
// element is not finite, and panics if x is too short or a size negative.
func QuantizeNF4(rows, cols int, x []float32, ldx int) (*NF4Weight, error) {
	w, err := quantizeNF4("QuantizeNF4", rows, cols, x, ldx)
	if err == nil {
		w.quantizeLargest()
	}
	return w, err
}

// QuantizeNF4Once is [QuantizeNF4] without the second quantization, of the blocks'
// largest. What it decodes to it rounds to again.
func QuantizeNF4Once(rows, cols int, x []float32, ldx int) (*NF4Weight, error) {
	return quantizeNF4("QuantizeNF4Once", rows, cols, x, ldx)
}

func quantizeNF4(fn string, rows, cols int, x []float32, ldx int) (*NF4Weight, error) {
	checkSize(fn, "rows", rows)
	checkSize(fn, "cols", cols)
	checkMatrix(fn, "x", rows, cols, x, ldx)
	if err := checkFinite(fn, rows, cols, x, ldx); err != nil {
		return nil, err
	}
	n := rows * cols
	w := &NF4Weight{Rows: rows, Cols: cols, Codes: make([]byte, ceil(n, 2)), Largest: make([]float32, ceil(n, nf4Block))}
	Parallel(ceil(n, nf4Block*nf4Group), func(g int) { w.quantizeGroup(g, x, ldx) })
	return w, nil
}

// quantizeLargest is the second quantization.
func (w *NF4Weight) quantizeLargest() {
	absmax := w.Largest
	blocks, groups := len(absmax), ceil(len(absmax), nf4Group)
	w.Map, w.Absmax, w.Scale, w.Largest = dynamicMap(), make([]byte, blocks), make([]float32, groups), nil
	var total float64
	for _, m := range absmax {
		total += float64(m)
	}
	if blocks > 0 {
		w.Offset = float32(total / float64(blocks))
	}
	Parallel(groups, func(g int) {
		group := absmax[g*nf4Group : min(blocks, (g+1)*nf4Group)]
		for i := range group {
			group[i] -= w.Offset
		}
		m := largest(group)
		for i, v := range group {
			if m > 0 {
				v /= m
			}
			w.Absmax[g*nf4Group+i] = nearest(w.Map, v)
		}
		w.Scale[g] = m
	})
}

// quantizeGroup makes the codes of a group of blocks, and their largest.
func (w *NF4Weight) quantizeGroup(g int, x []float32, ldx int) {
	n := w.Rows * w.Cols
	var block [nf4Block]float32
	for b := g * nf4Group; b < min(len(w.Largest), (g+1)*nf4Group); b++ {
		first := b * nf4Block
		values := block[:min(nf4Block, n-first)]
		for done := 0; done < len(values); {
			i, j := (first+done)/w.Cols, (first+done)%w.Cols
			done += copy(values[done:], x[i*ldx+j:][:w.Cols-j])
		}
		m := largest(values)
		w.Largest[b] = m
		for i, v := range values {
			code := byte(7) // that of 0
			if m > 0 {
				code = nf4Nearest(v / m)
			}
			w.Codes[(first+i)/2] |= code << (4 * (^i & 1))
		}
	}
}

// nf4Cells is how many equal parts of -1 to 1 have a code of their own in nf4First:
// enough for none to hold two of the cuts between the numbers.
const nf4Cells = 64

// nf4First is the code that each part begins with, nf4Cuts are the cuts, the last of
// them beyond all.
var nf4First, nf4Cuts = func() (first [nf4Cells + 1]byte, cuts [16]float64) {
	for i := range nf4[1:] {
		cuts[i] = (float64(nf4[i]) + float64(nf4[i+1])) / 2
	}
	cuts[15] = math.Inf(1)
	for i := range first {
		first[i] = nearest(nf4[:], float32(2*i)/nf4Cells-1)
	}
	return first, cuts
}()

// nf4Nearest is nearest(nf4[:], v) of a v from -1 to 1.
func nf4Nearest(v float32) byte {
	code := nf4First[int((v+1)*(nf4Cells/2))]
	if float64(v) > nf4Cuts[code&15] {
		code++
	}
	return code
}

// nearest returns the place of the number nearest to v in a sorted list, of two
// the lower one.
func nearest(sorted []float32, v float32) byte {
	return byte(sort.Search(len(sorted)-1, func(i int) bool {
		return float64(v) <= (float64(sorted[i])+float64(sorted[i+1]))/2
	}))
}

// dynamicMap returns the numbers of the dynamic data type in ascending order: 0, 1
// and, for each decade 10⁻⁶, …, 1, as many signed numbers as the bits left of it
// count, 1, 2, …, 64: the middles of equal parts of 0.1 to 1 of it.
func dynamicMap() []float32 {
	numbers := []float32{0, 1}
	for i := range 7 {
		parts := 1 << i
		for p := range parts {
			middle := 0.1 + 0.9*(float64(p)+0.5)/float64(parts)
			v := float32(middle * math.Pow10(i-6))
			numbers = append(numbers, v, -v)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// NF4Numbers returns the 16 numbers of 4-bit NormalFloat, in ascending order.
func NF4Numbers() []float32 { return slices.Clone(nf4[:]) }
