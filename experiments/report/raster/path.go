package raster

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"strconv"
	"strings"

	"golang.org/x/image/vector"
)

type point struct{ x, y float64 }

// A line is a polygon or an open line, in the chart's pixels.
type line struct {
	points []point
	closed bool
}

// path paints a path of lines, and of circles in two halves.
func (p *painter) path(e *element) error {
	var lines []line
	var at, begin point
	var current []point
	flush := func(closed bool) {
		if len(current) > 0 {
			lines = append(lines, line{current, closed})
		}
		current = nil
	}
	for _, c := range commands(e.attr["d"]) {
		n := c.numbers
		take := func(k int) bool { return len(n) >= k }
		switch {
		case c.letter == 'M' && take(2):
			flush(false)
			at = point{n[0], n[1]}
			begin, current = at, []point{at}
			continue
		case c.letter == 'L' && take(2):
			at = point{n[0], n[1]}
		case c.letter == 'l' && take(2):
			for ; len(n) >= 4; n = n[2:] {
				at = point{at.x + n[0], at.y + n[1]}
				current = append(current, at)
			}
			at = point{at.x + n[0], at.y + n[1]}
		case c.letter == 'H' && take(1):
			at.x = n[0]
		case c.letter == 'V' && take(1):
			at.y = n[0]
		case c.letter == 'h' && take(1):
			at.x += n[0]
		case c.letter == 'v' && take(1):
			at.y += n[0]
		case c.letter == 'a' && take(7): // half a circle
			const parts = 24
			r := n[5] / 2
			centre := point{at.x + r, at.y}
			for i := 1; i <= parts; i++ {
				sin, cos := math.Sincos(math.Pi * float64(i) / parts)
				current = append(current, point{centre.x - r*cos, centre.y + r*sin})
			}
			at.x += n[5]
			continue
		case c.letter == 'z':
			flush(true)
			at = begin
			continue
		default:
			return fmt.Errorf("path %q: %q is not known", e.attr["d"], c.letter)
		}
		current = append(current, at)
	}
	flush(false)
	p.shape(e, lines)
	return nil
}

type command struct {
	letter  byte
	numbers []float64
}

func commands(d string) []command {
	var list []command
	for i := 0; i < len(d); {
		c := command{letter: d[i]}
		j := i + 1
		for j < len(d) && strings.IndexByte("0123456789.- ,", d[j]) >= 0 {
			j++
		}
		text := strings.ReplaceAll(strings.ReplaceAll(d[i+1:j], "-", " -"), ",", " ")
		for _, f := range strings.Fields(text) {
			v, _ := strconv.ParseFloat(f, 64)
			c.numbers = append(c.numbers, v)
		}
		list = append(list, c)
		i = j
	}
	return list
}

// shape fills lines and draws along them, as the element's style says.
func (p *painter) shape(e *element, lines []line) {
	if c := p.paintOf(e, "fill"); c != nil {
		var areas [][]point
		for _, l := range lines {
			if len(l.points) > 2 {
				areas = append(areas, l.points)
			}
		}
		p.fill(areas, e.clip, c)
	}
	if c := p.paintOf(e, "stroke"); c != nil {
		p.fill(p.outline(e, lines), e.clip, c)
	}
}

// outline returns the areas of a pen of the element's width along lines: a
// quadrangle a piece, a circle at each joint, all turned one way.
func (p *painter) outline(e *element, lines []line) [][]point {
	half := e.property("stroke-width", 1) / 2
	round := e.style["stroke-linejoin"] == "round"
	var areas [][]point
	for _, l := range dashed(lines, e.style["stroke-dasharray"]) {
		points := l.points
		if l.closed {
			points = append(points[:len(points):len(points)], points[0])
		}
		for i, b := range points {
			if round || len(points) == 1 {
				areas = append(areas, disc(b, half))
			}
			if i == 0 {
				continue
			}
			a := points[i-1]
			length := math.Hypot(b.x-a.x, b.y-a.y)
			if length == 0 {
				continue
			}
			nx, ny := -(b.y-a.y)/length*half, (b.x-a.x)/length*half
			areas = append(areas, []point{{a.x + nx, a.y + ny}, {b.x + nx, b.y + ny}, {b.x - nx, b.y - ny}, {a.x - nx, a.y - ny}})
		}
	}
	return areas
}

func disc(c point, r float64) []point {
	const corners = 12
	var list []point
	for i := range corners {
		sin, cos := math.Sincos(-2 * math.Pi * float64(i) / corners)
		list = append(list, point{c.x + r*cos, c.y + r*sin})
	}
	return list
}

// dashed cuts lines into the dashes of a pattern.
func dashed(lines []line, pattern string) []line {
	var dashes []float64
	for _, f := range strings.Fields(pattern) {
		if v, err := strconv.ParseFloat(f, 64); err == nil && v > 0 {
			dashes = append(dashes, v)
		}
	}
	if len(dashes) == 0 || len(dashes)%2 > 0 {
		return lines
	}
	var cut []line
	for _, l := range lines {
		if len(l.points) == 0 {
			continue
		}
		n, left := 0, dashes[0]
		current := []point{l.points[0]}
		for i := 1; i < len(l.points); i++ {
			a, b := l.points[i-1], l.points[i]
			for length := math.Hypot(b.x-a.x, b.y-a.y); length > 0; {
				if length < left {
					left -= length
					if n%2 == 0 {
						current = append(current, b)
					}
					break
				}
				part := left / length
				a = point{a.x + part*(b.x-a.x), a.y + part*(b.y-a.y)}
				length -= left
				if n%2 == 0 {
					cut = append(cut, line{points: append(current, a)})
				}
				current = []point{a}
				n++
				left = dashes[n%len(dashes)]
			}
		}
		if n%2 == 0 && len(current) > 1 {
			cut = append(cut, line{points: current})
		}
	}
	return cut
}

// fill paints areas, which are all turned one way, together in one colour.
func (p *painter) fill(areas [][]point, clip image.Rectangle, c color.Color) {
	low, high := point{math.Inf(1), math.Inf(1)}, point{math.Inf(-1), math.Inf(-1)}
	for _, a := range areas {
		for _, v := range a {
			low, high = point{min(low.x, v.x), min(low.y, v.y)}, point{max(high.x, v.x), max(high.y, v.y)}
		}
	}
	if !(low.x <= high.x) {
		return
	}
	to := func(v float64) float64 { return (v + margin) * p.scale }
	box := image.Rect(int(to(low.x))-1, int(to(low.y))-1, int(to(high.x))+2, int(to(high.y))+2)
	box = box.Intersect(image.Rect(-4096, -4096, 24096, 24096)) // far beyond any image
	if box.Intersect(clip).Empty() {
		return
	}
	r := vector.NewRasterizer(box.Dx(), box.Dy())
	for _, a := range areas {
		for i, v := range a {
			x, y := float32(to(v.x)-float64(box.Min.X)), float32(to(v.y)-float64(box.Min.Y))
			if i == 0 {
				r.MoveTo(x, y)
			} else {
				r.LineTo(x, y)
			}
		}
		r.ClosePath()
	}
	mask := image.NewAlpha(image.Rect(0, 0, box.Dx(), box.Dy()))
	r.Draw(mask, mask.Bounds(), image.Opaque, image.Point{})
	target := box.Intersect(clip)
	draw.DrawMask(p.image, target, image.NewUniform(c), image.Point{}, mask, target.Min.Sub(box.Min), draw.Over)
}
