package chart

// Row is one line of a Rows chart: dots, a line from Low to High and a tick at
// Middle. What is NaN is not drawn.
type Row struct {
	Name              string
	Style             int
	Points            []float64
	Tips              []string // a text for every point, or nil
	Low, High         float64
	OpenLow, OpenHigh bool // the interval may go on beyond what was measured: an arrow
	Middle            float64
	Note              string // right of the row
}

// Rows is a chart of named rows over one axis: dot plots and intervals.
type Rows struct {
	Title string
	Width float64
	X     Axis
	Rows  []Row
	Rules []Rule // vertical
}

// SVG draws the rows.
func (c Rows) SVG() string {
	const pitch = 22.0
	nameRoom, noteRoom := 0.0, 0.0
	for _, r := range c.Rows {
		nameRoom = max(nameRoom, textWidth(r.Name, textSize))
		noteRoom = max(noteRoom, textWidth(r.Note, smallSize))
	}
	nameRoom = min(nameRoom, c.Width*0.36)
	top := 8.0
	if c.Title != "" {
		top += 18
	}
	if len(c.Rules) > 0 {
		top += 14
	}
	area := box{left: nameRoom + 18, top: top, right: c.Width - 12, bottom: top + pitch*float64(max(1, len(c.Rows)))}
	if noteRoom > 0 {
		area.right -= noteRoom + 8
	}
	area.right = max(area.right, area.left+60)
	x := c.X.scale(0.04, area.left, area.right, c.values)

	var p pen
	p.open(c.Width, area.bottom+40, about(c.Title, c.X.Title), x.data("data-x"))
	if c.Title != "" {
		p.text("h", 0, 14, shorten(c.Title, textSize, c.Width*0.93))
	}
	for _, t := range c.X.ticks(x, int(max(2, (area.right-area.left)/70))) {
		at := x.at(t.value)
		p.line(gridClass(t), at, area.top, at, area.bottom)
		if t.text != "" {
			p.text("x m", at, area.bottom+15, t.text)
		}
	}
	p.line("frame", area.left, area.bottom, area.right, area.bottom)
	p.text("t m", c.Width/2, area.bottom+33, shorten(c.X.Title, textSize, c.Width-8))
	for _, r := range c.Rules {
		if !c.X.shows(r.At) || x.over(r.At) {
			continue
		}
		at := x.at(r.At)
		p.line("rule", at, area.top-3, at, area.bottom)
		half := textWidth(r.Text, smallSize) / 2
		p.text("x m", min(max(at, half+4), c.Width-half-4), area.top-6, r.Text)
	}
	for i, r := range c.Rows {
		p.row(c, r, x, area, area.top+pitch*(float64(i)+0.5), nameRoom)
	}
	p.add("</svg>")
	return p.String()
}

func (c Rows) values(yield func(float64)) {
	for _, r := range c.Rows {
		for _, v := range r.Points {
			yield(v)
		}
		yield(r.Low)
		yield(r.High)
		yield(r.Middle)
	}
	for _, r := range c.Rules {
		yield(r.At)
	}
}

func (p *pen) row(c Rows, r Row, x scale, area box, y, nameRoom float64) {
	p.line("minor", area.left, y, area.right, y)
	p.add(`<g class="s" data-n="`, escape(r.Name), `">`)
	p.text("n e", area.left-8, y+4, shorten(r.Name, textSize, nameRoom))
	p.add(`<g class="small `, styleClass(r.Style%8), `">`)
	if c.X.shows(r.Low) && c.X.shows(r.High) {
		low, high := x.at(r.Low), x.at(r.High)
		p.line("bar", low, y, high, y)
		if r.OpenLow {
			p.add(`<path class="tip" d="M`, px(low-4), " ", px(y-5), "l-5 5l5 5", `"/>`)
		}
		if r.OpenHigh {
			p.add(`<path class="tip" d="M`, px(high+4), " ", px(y-5), "l5 5l-5 5", `"/>`)
		}
	}
	if c.X.shows(r.Middle) {
		at := x.at(r.Middle)
		p.add(`<path class="tip" d="M`, px(at), " ", px(y-8), "v16", `" stroke-width="2"/>`)
	}
	for i, v := range r.Points {
		if !c.X.shows(v) {
			continue
		}
		tip := ""
		if i < len(r.Tips) {
			tip = r.Tips[i]
		}
		p.marker(0, x.at(v), y, 4, tip)
	}
	p.add("</g>")
	if r.Note != "" {
		p.text("x", area.right+8, y+4, r.Note)
	}
	p.add("</g>")
}
