package chart

import (
	"math"
	"strconv"
)

// Heat is a table of values drawn as cells: the stronger the colour, the
// larger the value. Where the cells are large enough the values are written in.
type Heat struct {
	Title         string
	Width         float64
	Rows, Columns []string    // columns are named as often as there is room
	Values        [][]float64 // Values[row][column]; NaN is an empty cell
	Min, Max      float64     // ends of the colours; equal: from the data
	Log           bool        // colours by the logarithm; cells without one are empty
	RowTitle      string
	ColumnTitle   string
	Unit          string // of the values: draws the colours' scale below
}

// SVG draws the cells.
func (c Heat) SVG() string {
	const high, bottom = 22.0, 24.0
	left := 10.0
	for _, r := range c.Rows {
		left = max(left, textWidth(r, smallSize)+16)
	}
	left = min(left, c.Width*0.4)
	if c.RowTitle != "" {
		left += 18
	}
	top := 28.0
	if c.Title == "" {
		top = 8
	}
	wide := (c.Width - left - 10) / float64(max(1, len(c.Columns)))
	wide = min(wide, 90)
	low, top0 := c.ends()
	height := top + high*float64(len(c.Rows)) + bottom
	titleAt := height + 10
	if c.ColumnTitle != "" {
		height += 16
	}
	scaleAt := height + 8
	if c.Unit != "" {
		height += 32
	}

	written := c.fits(wide)
	var p pen
	p.open(c.Width, height, c.Title, "")
	if c.Title != "" {
		p.text("h", 0, 14, shorten(c.Title, textSize, c.Width*0.93))
	}
	if c.RowTitle != "" {
		p.upright(11, top+high*float64(len(c.Rows))/2, c.RowTitle)
	}
	for i, name := range c.Rows {
		y := top + high*float64(i)
		p.add(`<g class="s" data-n="`, escape(name), `">`)
		p.text("x e", left-6, y+15, shorten(name, smallSize, left-12))
		for j := range c.Columns {
			v := math.NaN()
			if i < len(c.Values) && j < len(c.Values[i]) {
				v = c.Values[i][j]
			}
			p.cell(v, c.strength(v, low, top0), left+wide*float64(j), y, wide, high, c.Columns[j]+", "+name, written)
		}
		p.add("</g>")
	}
	every := c.every(wide)
	for j := 0; j < len(c.Columns); j += every {
		p.text("x m", left+wide*(float64(j)+0.5), top+high*float64(len(c.Rows))+15, shorten(c.Columns[j], smallSize, max(wide-2, 34)))
	}
	if c.ColumnTitle != "" {
		p.text("t m", left+wide*float64(len(c.Columns))/2, titleAt, c.ColumnTitle)
	}
	if c.Unit != "" && low <= top0 {
		p.scale(c, left, scaleAt, low, top0)
	}
	p.add("</svg>")
	return p.String()
}

// fits reports whether there is room for all values: one here and there tells nothing.
func (c Heat) fits(wide float64) bool {
	for _, row := range c.Values {
		for _, v := range row {
			if drawable(v) && textWidth(cellText(v), smallSize) > wide-4 {
				return false
			}
		}
	}
	return true
}

func cellText(v float64) string {
	if math.Abs(v) >= 100 {
		return Number(math.Round(v))
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

// every is how many columns there are to one name, so that names do not touch.
func (c Heat) every(wide float64) int {
	widest := 0.0
	for _, name := range c.Columns {
		widest = max(widest, textWidth(name, smallSize))
	}
	if widest+4 <= wide || wide >= 34 { // one each, shortened where it must be
		return 1
	}
	return max(1, int(math.Ceil((min(widest, 34)+8)/wide)))
}

// scale draws the colours from the smallest value to the largest.
func (p *pen) scale(c Heat, x, y, low, high float64) {
	const cells, width = 24, 6.0
	p.text("x", x, y+9, Number(low))
	x += textWidth(Number(low), smallSize) + 6
	for i := range cells {
		p.shade((float64(i)+0.5)/cells, x+width*float64(i), y, width, 10)
		p.add("/>")
	}
	unit := c.Unit
	if c.Log {
		unit += ", logarithmic"
	}
	p.text("x", x+width*cells+6, y+9, Number(high)+" "+unit)
}

// strength is how strong the colour of a value is, from 0 to 1, or NaN.
func (c Heat) strength(v, low, high float64) float64 {
	switch {
	case !drawable(v) || c.Log && v <= 0:
		return math.NaN()
	case high <= low:
		return 0.5
	case c.Log:
		v, low, high = math.Log(v), math.Log(low), math.Log(high)
	}
	return min(max((v-low)/(high-low), 0), 1)
}

func (c Heat) ends() (low, high float64) {
	if c.Min < c.Max {
		return c.Min, c.Max
	}
	low, high = math.Inf(1), math.Inf(-1)
	for _, row := range c.Values {
		for _, v := range row {
			if drawable(v) && (!c.Log || v > 0) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	return low, high
}

func (p *pen) cell(v, strength, x, y, w, h float64, tip string, written bool) {
	gap := 1.0
	if w < 8 {
		gap = 0
	}
	if math.IsNaN(strength) {
		p.rect("none", x+gap, y+1, w-2*gap, h-2)
		return
	}
	opacity := p.shade(strength, x+gap, y+1, w-2*gap, h-2)
	p.add("><title>", escape(tip+": "+Number(v)), "</title></rect>")
	if !written {
		return
	}
	class := "x m off"
	if opacity > 0.55 {
		class = "x m on"
	}
	p.text(class, x+w/2, y+15, cellText(v))
}

// shade begins a rectangle of a colour of some strength, and returns its
// opacity.
func (p *pen) shade(strength, x, y, w, h float64) float64 {
	opacity := 0.08 + 0.92*strength
	p.add(`<rect class="cell" x="`, px(x), `" y="`, px(y), `" width="`, px(w), `" height="`, px(h), `" fill-opacity="`,
		strconv.FormatFloat(math.Round(opacity*100)/100, 'f', -1, 64), `"`)
	return opacity
}
