package raster

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

var fonts = sync.OnceValues(func() (list [2]*opentype.Font, err error) {
	for i, ttf := range [][]byte{goregular.TTF, gobold.TTF} {
		if list[i], err = opentype.Parse(ttf); err != nil {
			return list, err
		}
	}
	return list, nil
})

// write paints the text of an element.
func (p *painter) write(e *element) error {
	c := p.paintOf(e, "fill")
	if c == nil {
		return nil
	}
	list, err := fonts()
	if err != nil {
		return err
	}
	f := list[0]
	if e.style["font-weight"] == "600" {
		f = list[1]
	}
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: e.property("font-size", 12) * p.scale, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		return err
	}
	defer face.Close()
	text := spelled(f, e.text.String())
	width := font.MeasureString(face, text)
	x, y := e.number("x"), e.number("y")
	to, turned := e.attr["transform"] // translate(x y)rotate(-90)
	if turned {
		if _, err := fmt.Sscanf(to, "translate(%g %g)rotate(-90)", &x, &y); err != nil {
			return fmt.Errorf("transform %q: %w", to, err)
		}
	}
	shift := fixed.Int26_6(0)
	switch e.style["text-anchor"] {
	case "middle":
		shift = -width / 2
	case "end":
		shift = -width
	}
	if turned {
		p.turn(face, text, point{x, y}, shift, width, c)
		return nil
	}
	at := fixed.Point26_6{X: fix((x+margin)*p.scale) + shift, Y: fix((y + margin) * p.scale)}
	target := p.image.SubImage(e.clip).(draw.Image)
	if paper := p.sheet.colour(e.style["stroke"], e.style); paper != nil { // a halo behind
		for _, d := range []point{{-1, 0}, {1, 0}, {0, -1}, {0, 1}, {-1, -1}, {1, 1}, {-1, 1}, {1, -1}} {
			d := font.Drawer{Dst: target, Src: image.NewUniform(*paper), Face: face, Dot: fixed.Point26_6{X: at.X + fix(d.x*1.2*p.scale), Y: at.Y + fix(d.y*1.2*p.scale)}}
			d.DrawString(text)
		}
	}
	d := font.Drawer{Dst: target, Src: image.NewUniform(c), Face: face, Dot: at}
	d.DrawString(text)
	return nil
}

// turn paints text from below to above through a point.
func (p *painter) turn(face font.Face, text string, at point, shift, width fixed.Int26_6, c color.Color) {
	ascent, descent := face.Metrics().Ascent.Ceil(), face.Metrics().Descent.Ceil()
	lying := image.NewRGBA(image.Rect(0, 0, width.Ceil()+2, ascent+descent))
	d := font.Drawer{Dst: lying, Src: image.NewUniform(c), Face: face, Dot: fixed.P(0, ascent)}
	d.DrawString(text)
	n := lying.Bounds()
	standing := image.NewRGBA(image.Rect(0, 0, n.Dy(), n.Dx()))
	for y := range n.Dy() {
		for x := range n.Dx() {
			standing.SetRGBA(y, n.Dx()-1-x, lying.RGBAAt(x, y))
		}
	}
	left, bottom := p.pixel(at.x)-ascent, p.pixel(at.y)-shift.Round()
	draw.Draw(p.image, image.Rect(left, bottom-n.Dx(), left+n.Dy(), bottom), standing, image.Point{}, draw.Over)
}

func fix(v float64) fixed.Int26_6 { return fixed.Int26_6(v*64 + 0.5) }

// spelled replaces the characters that the font has not.
func spelled(f *sfnt.Font, text string) string {
	var b strings.Builder
	var buffer sfnt.Buffer
	for _, r := range text {
		if i, err := f.GlyphIndex(&buffer, r); err == nil && i > 0 {
			b.WriteRune(r)
		} else if other, ok := instead[r]; ok {
			b.WriteString(other)
		} else {
			b.WriteByte('?')
		}
	}
	return b.String()
}

var instead = map[rune]string{'‖': "||", '₀': "0", '₁': "1", '₂': "2", '₃': "3", 'ᵀ': "T", '⁻': "-", '¹': "1", '\u202f': " ", '×': "x"}
