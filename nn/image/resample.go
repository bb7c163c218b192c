package image

import "math"

// A Filter is a kernel by which an image is resized.
type Filter int

// The filters, by the numbers that Pillow has for them.
const (
	Bilinear Filter = 2
	Bicubic  Filter = 3
)

// support is how far from 0 the kernel reaches.
func (f Filter) support() float64 { return float64(f) - 1 }

// at is the kernel at x within its support: a triangle, or Keys' cubic with
// a = -1/2.
func (f Filter) at(x float64) float64 {
	const a = -0.5
	switch x = math.Abs(x); {
	case f == Bilinear:
		return max(1-x, 0)
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return (((x-5)*x+8)*x - 4) * a
	}
	return 0
}

// A raster is an image of interleaved red, green and blue.
type raster struct {
	width, height int
	pix           []uint8 // row by row
}

const channels = 3

func newRaster(width, height int) *raster {
	return &raster{width, height, make([]uint8, width*height*channels)}
}

// row returns a row.
func (r *raster) row(y int) []uint8 { return r.pix[y*r.width*channels:][:r.width*channels] }

// A span is a range of rows or columns of an image resized to size.
type span struct{ size, from, to int }

// resize returns the part of the image resized to x.size×y.size that the spans
// cover, as Pillow computes it: first the rows are resized and rounded to 8
// bits, then the columns. Where the image shrinks, the kernel is as wide as
// takes in all of it.
func (r *raster) resize(x, y span, f Filter) *raster {
	columns, rows := taps(r.width, x, f), taps(r.height, y, f)
	if len(columns) == 0 || len(rows) == 0 {
		return newRaster(len(columns), len(rows))
	}
	first, last := rows[0], rows[len(rows)-1]
	wide := newRaster(len(columns), last.from+len(last.weights)-first.from)
	for i := range wide.height {
		from, to := r.row(first.from+i), wide.row(i)
		for j, t := range columns {
			t.across(to[j*channels:], from)
		}
	}
	out := newRaster(len(columns), len(rows))
	sums := make([]int32, len(columns)*channels)
	for i, t := range rows {
		t.from -= first.from
		t.down(out.row(i), wide, sums)
	}
	return out
}

// A tap is the weights, times 2^precision, of the pixels from one on, of which
// a resized pixel is the sum.
type tap struct {
	from    int
	weights []int32
}

const precision = 32 - 8 - 2 // Pillow's: a sum of weights times bytes is an int32

// taps returns how the pixels of a span follow from n.
func taps(n int, s span, f Filter) []tap {
	scale := float64(n) / float64(s.size)
	stretch := max(scale, 1)
	reach := f.support() * stretch
	list := make([]tap, max(s.to-s.from, 0))
	for i := range list {
		if n == s.size {
			list[i] = tap{s.from + i, []int32{1 << precision}}
			continue
		}
		center := (float64(s.from+i) + 0.5) * scale
		from, to := max(int(center-reach+0.5), 0), min(int(center+reach+0.5), n)
		weights, sum := make([]float64, to-from), 0.0
		for j := range weights {
			weights[j] = f.at((float64(from+j) - center + 0.5) / stretch)
			sum += weights[j]
		}
		t := tap{from, make([]int32, to-from)}
		for j, w := range weights {
			t.weights[j] = int32(math.Round(w / sum * (1 << precision)))
		}
		list[i] = t
	}
	return list
}

const half = 1 << (precision - 1)

// across writes to dst the pixel that follows from those of a row.
func (t tap) across(dst, row []uint8) {
	red, green, blue := int32(half), int32(half), int32(half)
	for i, p := 0, row[t.from*channels:]; i < len(t.weights) && len(p) >= channels; i, p = i+1, p[channels:] {
		w := t.weights[i]
		red += w * int32(p[0])
		green += w * int32(p[1])
		blue += w * int32(p[2])
	}
	dst[0], dst[1], dst[2] = round(red), round(green), round(blue)
}

// down writes to dst the row that follows from those of an image, with sums as
// scratch.
func (t tap) down(dst []uint8, r *raster, sums []int32) {
	for k := range sums {
		sums[k] = half
	}
	for i, w := range t.weights {
		for k, v := range r.row(t.from + i)[:len(sums)] {
			sums[k] += w * int32(v)
		}
	}
	for k, s := range sums {
		dst[k] = round(s)
	}
}

func round(sum int32) uint8 { return uint8(min(max(sum>>precision, 0), 255)) }
