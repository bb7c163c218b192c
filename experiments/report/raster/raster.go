// Package raster paints the charts of package chart as images. It knows the few
// elements and the style sheet that those charts use, and no more of SVG.
package raster

import (
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"strconv"
	"strings"

	"github.com/lowrank/lowrank/experiments/report/chart"
)

const margin = 12.0

// PNG writes svg, the text of a chart, as a PNG image of scale pixels for each
// of the chart's, in the light colours, with a margin.
func PNG(w io.Writer, svg string, scale float64) error {
	p := painter{scale: scale, sheet: parseSheet(chart.Stylesheet)}
	if err := p.paint(svg); err != nil {
		return fmt.Errorf("raster: %w", err)
	}
	return png.Encode(w, p.image)
}

// A painter paints elements as it reads them.
type painter struct {
	scale float64
	sheet sheet
	image *image.RGBA
	open  []element // from the root to where it is
}

// An element is one that is open, with the properties that hold inside it.
type element struct {
	name    string
	classes []string
	style   map[string]string
	clip    image.Rectangle
	attr    map[string]string
	text    strings.Builder
}

func (p *painter) paint(svg string) error {
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			if p.image == nil {
				return errors.New("there is no chart")
			}
			return nil
		}
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if err := p.start(t); err != nil {
				return err
			}
		case xml.CharData:
			if n := len(p.open); n > 0 {
				p.open[n-1].text.Write(t)
			}
		case xml.EndElement:
			n := len(p.open) - 1
			if p.open[n].name == "text" {
				if err := p.write(&p.open[n]); err != nil {
					return err
				}
			}
			p.open = p.open[:n]
		}
	}
}

func (p *painter) start(t xml.StartElement) error {
	e := element{name: t.Name.Local, attr: map[string]string{}, style: map[string]string{}}
	for _, a := range t.Attr {
		e.attr[a.Name.Local] = a.Value
	}
	e.classes = strings.Fields(e.attr["class"])
	if n := len(p.open); n > 0 {
		e.clip = p.open[n-1].clip
		for k, v := range p.open[n-1].style {
			e.style[k] = v
		}
	}
	if e.name == "svg" {
		if err := p.view(&e); err != nil {
			return err
		}
	}
	p.open = append(p.open, e)
	p.sheet.apply(p.open)
	if v := e.attr["fill-opacity"]; v != "" {
		e.style["fill-opacity"] = v
	}
	switch e.name {
	case "path":
		return p.path(&e)
	case "rect":
		x, y, w, h := e.number("x"), e.number("y"), e.number("width"), e.number("height")
		p.shape(&e, []line{{points: []point{{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}}, closed: true}})
	}
	return nil
}

// view makes the image of the outer svg, and the clip of an inner one.
func (p *painter) view(e *element) error {
	var x, y, w, h float64
	if _, err := fmt.Sscanf(e.attr["viewBox"], "%g %g %g %g", &x, &y, &w, &h); err != nil {
		return fmt.Errorf("viewBox %q: %w", e.attr["viewBox"], err)
	}
	if p.image != nil {
		e.clip = e.clip.Intersect(image.Rect(p.pixel(x), p.pixel(y), p.pixel(x+w), p.pixel(y+h)))
		return nil
	}
	const most = 20000
	width, height := int((w+2*margin)*p.scale), int((h+2*margin)*p.scale)
	if width < 1 || height < 1 || width > most || height > most {
		return fmt.Errorf("an image of %d×%d pixels: must be within 1…%d", width, height, most)
	}
	p.image = image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(p.image, p.image.Bounds(), image.NewUniform(p.sheet.colour("var(--paper)", nil)), image.Point{}, draw.Src)
	e.clip = p.image.Bounds()
	return nil
}

func (p *painter) pixel(v float64) int { return int((v+margin)*p.scale + 0.5) }

func (e *element) number(name string) float64 {
	v, _ := strconv.ParseFloat(e.attr[name], 64)
	return v
}

// property returns a number of the style.
func (e *element) property(name string, otherwise float64) float64 {
	v, err := strconv.ParseFloat(strings.TrimSuffix(e.style[name], "px"), 64)
	if err != nil {
		return otherwise
	}
	return v
}

// paintOf returns the colour of "fill" or "stroke" with its opacity, nil for none.
func (p *painter) paintOf(e *element, kind string) color.Color {
	v, ok := e.style[kind]
	if !ok && kind == "fill" {
		v = "#000"
	}
	c := p.sheet.colour(v, e.style)
	if c == nil {
		return nil
	}
	c.A = uint8(255*e.property(kind+"-opacity", 1) + 0.5)
	return *c
}
