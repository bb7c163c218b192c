package chart

import (
	"slices"
	"strconv"
)

// Series is one curve, or one cloud of points.
type Series struct {
	Name      string
	Style     int       // see Styles
	X, Y      []float64 // equal lengths; X does not fall where there is a line
	Low, High []float64 // a band around the line, same length, or nil
	Tips      []string  // a text for every point's mark, or nil
	Line      bool      // join the points
	Mark      bool      // draw the points
	Small     bool      // small, half transparent marks
	Thin      bool      // one of many: a thin, half transparent line
	Muted     bool      // context: grey
	End       string    // a text at the line's last point, on the right
}

// Rule is a dashed line across the chart: horizontal at Y (vertical at X in Rows).
type Rule struct {
	At   float64
	Text string
}

// Edge is a mark in the strip above the chart: something that has an X but no
// Y, such as a run that diverged.
type Edge struct {
	Name  string // the series it belongs to
	X     float64
	Style int
	Tip   string
	Muted bool // context: grey
}

// Label is a text that belongs to a point; the chart finds a free place near it.
type Label struct {
	X, Y float64
	Text string
}

// Plot is a chart of Y against X.
type Plot struct {
	Title         string // drawn above; also its text for a screen reader
	Width, Height float64
	X, Y          Axis
	Series        []Series // later ones are drawn over earlier ones
	Rules         []Rule
	Edges         []Edge
	EdgeTitle     string // "diverged"
	Labels        []Label
	Legend        bool // a legend below, inside the picture
}

const (
	textSize  = 12.0
	smallSize = 11.0
)

// box is the rectangle of the data in pixels.
type box struct{ left, top, right, bottom float64 }

// SVG draws the plot.
func (c Plot) SVG() string {
	area, height := box{left: 2, top: 10, right: c.Width - 12, bottom: c.Height - 6}, c.Height
	if c.Title != "" {
		area.top += 18
	}
	edges := c.Edges
	perRow, rows := c.edgeRows(edges)
	stripTop := area.top
	if rows > 0 {
		area.top += float64(rows)*edgeStep + 6
	}
	area.bottom -= 18
	if c.X.Title != "" {
		area.bottom -= 17
	}
	for _, s := range c.Series {
		if s.End != "" {
			area.right = min(area.right, c.Width-14-textWidth(s.End, smallSize))
		}
	}
	var entries []legendEntry
	if c.Legend {
		var legendHeight float64
		entries, legendHeight = c.legend()
		height += legendHeight
	}

	y := c.Y.scale(0.05, area.bottom, area.top, c.yValues)
	yTicks := c.Y.ticks(y, int(max(2, (area.bottom-area.top)/45)))
	widest := 0.0
	for _, t := range yTicks {
		widest = max(widest, textWidth(t.text, smallSize))
	}
	area.left += widest + 4
	if c.Y.Title != "" {
		area.left += 20
	}
	x := c.X.scale(0.03, area.left, area.right, c.xValues)
	xTicks := c.X.ticks(x, int(max(2, (area.right-area.left)/70)))

	var p pen
	p.open(c.Width, height, about(c.Title, c.Y.Title+" against "+c.X.Title), x.data("data-x")+y.data("data-y"))
	if c.Title != "" {
		p.text("h", 0, 14, shorten(c.Title, textSize, c.Width*0.93))
	}
	for _, t := range yTicks {
		at := y.at(t.value)
		p.line(gridClass(t), area.left, at, area.right, at)
		if t.text != "" {
			p.text("x e", area.left-6, at+4, t.text)
		}
	}
	for _, t := range xTicks {
		at := x.at(t.value)
		p.line(gridClass(t), at, area.top, at, area.bottom)
		if t.text != "" {
			p.text("x m", at, area.bottom+15, t.text)
		}
	}
	p.line("frame", area.left, area.bottom, area.right, area.bottom)
	if c.X.Title != "" {
		p.text("t m", (area.left+area.right)/2, area.bottom+33, shorten(c.X.Title, textSize, c.Width-8))
	}
	if c.Y.Title != "" {
		p.upright(11, (area.top+area.bottom)/2, shorten(c.Y.Title, textSize, area.bottom-area.top+20))
	}
	if rows > 0 {
		p.rect("strip", area.left, stripTop-2, area.right-area.left, area.top-stripTop-2)
		if c.EdgeTitle != "" {
			p.text("x halo", area.left+4, stripTop+8, c.EdgeTitle)
		}
		p.edges(edges, perRow, x, stripTop+4)
	}
	for _, r := range c.Rules {
		if !c.Y.shows(r.At) || y.over(r.At) {
			continue
		}
		p.line("rule", area.left, y.at(r.At), area.right, y.at(r.At))
		p.text("x e halo", area.right-3, y.at(r.At)-4, r.Text)
	}
	for _, s := range c.Series {
		if s.Low != nil && !s.Muted {
			p.band(c, s, x, y, area)
		}
	}
	for _, s := range c.Series {
		p.series(c, s, x, y, area)
	}
	p.ends(c, x, y, area)
	p.labels(c, x, y, area)
	p.drawLegend(entries, c.Height)
	p.add("</svg>")
	return p.String()
}

// about is what a chart is for someone who does not see it.
func about(title, content string) string {
	if title == "" {
		return content
	}
	return title + ": " + content
}

func gridClass(t tick) string {
	if t.text == "" {
		return "minor"
	}
	return "grid"
}

func (c Plot) xValues(yield func(float64)) {
	for _, s := range c.Series {
		for i, v := range s.X {
			if i < len(s.Y) && c.Y.shows(s.Y[i]) {
				yield(v)
			}
		}
	}
	for _, e := range c.Edges {
		yield(e.X)
	}
}

func (c Plot) yValues(yield func(float64)) {
	for _, s := range c.Series {
		for i, v := range s.Y {
			if i < len(s.X) && c.X.shows(s.X[i]) {
				yield(v)
			}
		}
		if !s.Muted {
			for _, band := range [][]float64{s.Low, s.High} {
				for _, v := range band {
					yield(v)
				}
			}
		}
	}
	for _, r := range c.Rules {
		yield(r.At)
	}
}

// data tells a script how to turn pixels back into values.
func (s scale) data(name string) string {
	kind := "lin"
	if s.log {
		kind = "log"
	}
	return " " + name + `="` + kind + " " + strconv.FormatFloat(s.low, 'g', 8, 64) + " " + strconv.FormatFloat(s.high, 'g', 8, 64) +
		" " + px(s.from) + " " + px(s.till) + `"`
}

// drawn reports whether point i of s has a place.
func (c Plot) drawn(s Series, i int) bool {
	return i < len(s.X) && i < len(s.Y) && c.X.shows(s.X[i]) && c.Y.shows(s.Y[i])
}

func (p *pen) band(c Plot, s Series, x, y scale, area box) {
	var run []int
	flush := func() {
		if len(run) > 1 {
			p.add(`<path class="b" d="`)
			for n, i := range run {
				p.add(letter(n), px(x.at(s.X[i])), " ", px(y.at(s.High[i])))
			}
			for n := len(run) - 1; n >= 0; n-- {
				p.add("L", px(x.at(s.X[run[n]])), " ", px(y.at(s.Low[run[n]])))
			}
			p.add(`z"/>`)
		}
		run = run[:0]
	}
	p.add(`<g class="s `, styleClass(s.Style), `" data-n="`, escape(s.Name), `">`)
	shut := p.clip(area, leaves(y, s.Low) || leaves(y, s.High))
	for _, i := range downsample(s, s.High, c.Width) {
		if !c.drawn(s, i) || i >= len(s.Low) || i >= len(s.High) || !c.Y.shows(s.Low[i]) || !c.Y.shows(s.High[i]) {
			flush()
			continue
		}
		run = append(run, i)
	}
	flush()
	p.add(shut, "</g>")
}

// leaves reports whether a value lies beyond the axis.
func leaves(s scale, values []float64) bool {
	return slices.ContainsFunc(values, s.over)
}

// clip begins a part of which only what lies in area is seen, if on, and
// returns the text that ends it.
func (p *pen) clip(area box, on bool) (end string) {
	if !on {
		return ""
	}
	x, y, w, h := px(area.left), px(area.top), px(area.right-area.left), px(area.bottom-area.top)
	p.add(`<svg x="`, x, `" y="`, y, `" width="`, w, `" height="`, h, `" viewBox="`, x, " ", y, " ", w, " ", h, `">`)
	return "</svg>"
}

func downsample(s Series, y []float64, width float64) []int {
	n := min(len(s.X), len(y))
	return Downsample(s.X[:n], y[:n], int(max(width, 64)/2))
}

func letter(n int) string {
	if n == 0 {
		return "M"
	}
	return "L"
}

func (p *pen) series(c Plot, s Series, x, y scale, area box) {
	class := "s " + styleClass(s.Style)
	for _, extra := range []struct {
		on   bool
		name string
	}{{s.Thin, " thin"}, {s.Small, " small"}, {s.Muted, " muted"}} {
		if extra.on {
			class += extra.name
		}
	}
	p.add(`<g class="`, class, `" data-n="`, escape(s.Name), `">`)
	if s.Line {
		end := p.clip(area, leaves(x, s.X) || leaves(y, s.Y))
		p.curve(c, s, x, y)
		p.add(end)
	}
	if s.Mark {
		size := 3.6
		if s.Small {
			size = 2.8
		}
		for i := range s.X {
			if !c.drawn(s, i) || x.over(s.X[i]) || y.over(s.Y[i]) {
				continue
			}
			tip := ""
			if i < len(s.Tips) {
				tip = s.Tips[i]
			}
			p.marker(s.Style, x.at(s.X[i]), y.at(s.Y[i]), size, tip)
		}
	}
	p.add("</g>")
}

// curve joins the points; a gap stays a gap. A point between two gaps has nothing to
// be joined with, and gets its mark.
func (p *pen) curve(c Plot, s Series, x, y scale) {
	started, n, last := false, 0, 0
	var alone []int
	for _, i := range downsample(s, s.Y, c.Width) {
		if !c.drawn(s, i) {
			if n == 1 {
				alone = append(alone, last)
			}
			n = 0
			continue
		}
		if !started {
			p.add(`<path class="l" d="`)
			started = true
		}
		p.add(letter(n), px(x.at(s.X[i])), " ", px(y.at(s.Y[i])))
		n++
		last = i
	}
	if !started {
		return
	}
	if n == 1 {
		alone = append(alone, last)
	}
	p.add(`"/>`)
	if s.Mark {
		return // all have one
	}
	for _, i := range alone {
		p.marker(s.Style, x.at(s.X[i]), y.at(s.Y[i]), 2.8, "")
	}
}
