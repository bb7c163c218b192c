// Package image turns images into the pixels that a vision model takes, as the
// image processors of Hugging Face do by Pillow and a checkpoint's
// preprocessor_config.json: resize, crop, rescale, normalise.
package image

import (
	"errors"
	"fmt"
	"image"
	"image/draw"
)

// A Processor says how images become pixels; preprocessor_config.json, whose
// names stand behind the fields, is its JSON form.
type Processor struct {
	Resize        bool       // do_resize; otherwise an image keeps its size
	ShortestEdge  int        // size.shortest_edge: the size of the shorter side, the other in proportion
	ResizedHeight int        // size.height, where ShortestEdge is 0
	ResizedWidth  int        // size.width
	Filter        Filter     // resample
	Height, Width int        // crop_size, around the center, black where the image is smaller; or of all that is resized
	Scale         float64    // rescale_factor of the bytes; 1: do_rescale is false
	Mean, Std     [3]float64 // image_mean, image_std of red, green and blue; 0 and 1: do_normalize is false
}

// Len is the number of values of an image's pixels, channels·height·width.
func (p *Processor) Len() int { return channels * p.Height * p.Width }

// Append appends to dst the pixels of an image, all of red, then green, then
// blue, each row by row. To change those of a row of a graph's pixels, append to
// their first 0. Of transparent colours only the colour counts, of 16 bits the
// upper 8, as when Pillow converts to RGB.
func (p *Processor) Append(dst []float32, img image.Image) ([]float32, error) {
	b := img.Bounds()
	if b.Empty() {
		return nil, errors.New("image: no pixels in the image")
	}
	x, y := span{size: b.Dx()}, span{size: b.Dy()}
	if p.Resize {
		if p.Filter != Bilinear && p.Filter != Bicubic {
			return nil, fmt.Errorf("image: filter %d: must be %d or %d", p.Filter, Bilinear, Bicubic)
		}
		x.size, y.size = p.resized(x.size, y.size)
	}
	if x.size < 1 || y.size < 1 || x.size > maxEdge || y.size > maxEdge {
		return nil, fmt.Errorf("image: %d×%d pixels become %d×%d: must be between 1 and %d", b.Dx(), b.Dy(), x.size, y.size, maxEdge)
	}
	left, top := x.center(p.Width), y.center(p.Height)
	r := rgb(img).resize(x, y, p.Filter)

	// What a byte becomes, in the roundings of NumPy.
	var values [channels][256]float32
	for c := range values {
		for i := range values[c] {
			v := float32(float64(i) * p.Scale)
			values[c][i] = (v - float32(p.Mean[c])) / float32(p.Std[c])
		}
	}
	for c := range values {
		for i := range p.Height {
			for j := range p.Width {
				var v uint8
				if i, j := i-top, j-left; i >= 0 && i < r.height && j >= 0 && j < r.width {
					v = r.row(i)[j*channels+c]
				}
				dst = append(dst, values[c][v])
			}
		}
	}
	return dst, nil
}

// maxEdge bounds what a resized image may have on a side.
const maxEdge = 1 << 24

// resized returns the size that an image is resized to.
func (p *Processor) resized(width, height int) (w, h int) {
	if p.ShortestEdge == 0 {
		return p.ResizedWidth, p.ResizedHeight
	}
	in := func(side, of int) int { return int(float64(p.ShortestEdge) * float64(side) / float64(of)) }
	if width <= height {
		return p.ShortestEdge, in(height, width)
	}
	return in(width, height), p.ShortestEdge
}

// center makes the span one of n pixels around the middle, or of all of them
// if there are fewer, and returns how many must come before it then.
func (s *span) center(n int) (before int) {
	if s.size < n {
		s.from, s.to = 0, s.size
		return (n - s.size + 1) / 2
	}
	s.from = (s.size - n) / 2
	s.to = s.from + n
	return 0
}

// rgb returns the colours of an image.
func rgb(img image.Image) *raster {
	b := img.Bounds()
	r := newRaster(b.Dx(), b.Dy())
	var pix []uint8 // four bytes each, of which the first three are the colour
	var offset func(x, y int) int
	switch img := img.(type) {
	case *image.NRGBA:
		pix, offset = img.Pix, img.PixOffset
	case *image.YCbCr, *image.Gray: // opaque, so that the premultiplied colour is the colour
		to := image.NewRGBA(b)
		draw.Draw(to, b, img, b.Min, draw.Src)
		pix, offset = to.Pix, to.PixOffset
	default:
		to := image.NewNRGBA(b)
		for y := b.Min.Y; y < b.Max.Y; y++ {
			for x := b.Min.X; x < b.Max.X; x++ {
				to.Set(x, y, img.At(x, y))
			}
		}
		pix, offset = to.Pix, to.PixOffset
	}
	for y := range r.height {
		row := r.row(y)
		for x := range r.width {
			copy(row[x*channels:][:channels], pix[offset(b.Min.X+x, b.Min.Y+y):])
		}
	}
	return r
}
