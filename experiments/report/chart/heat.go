package chart

import (
	"math"
	"strconv"
)

// Heat is a table of values drawn as cells: the stronger the colour, the
// larger the value. Where the cells are large enough the value is written in.
type Heat struct {
	Title         string
	Width         float64
	Rows, Columns []string
	Values        [][]float64 // Values[row][column]; NaN is an empty cell
	Min, Max      float64     // ends of the colours; equal: from the data
	RowTitle      string
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

	var p pen
	p.open(c.Width, top+high*float64(len(c.Rows))+bottom, c.Title, "")
	if c.Title != "" {
		p.text("h", 0, 14, shorten(c.Title, textSize, c.Width*0.93))
	}
	if c.RowTitle != "" {
		p.upright(11, top+high*float64(len(c.Rows))/2, c.RowTitle)
	}
	for i, name := range c.Rows {
		y := top + high*float64(i)
		p.text("x e", left-6, y+15, shorten(name, smallSize, left-12))
		for j := range c.Columns {
			v := math.NaN()
			if i < len(c.Values) && j < len(c.Values[i]) {
				v = c.Values[i][j]
			}
			p.cell(v, low, top0, left+wide*float64(j), y, wide, high, c.Columns[j]+", "+name)
		}
	}
	for j, name := range c.Columns {
		p.text("x m", left+wide*(float64(j)+0.5), top+high*float64(len(c.Rows))+15, shorten(name, smallSize, wide-2))
	}
	p.add("</svg>")
	return p.String()
}

func (c Heat) ends() (low, high float64) {
	if c.Min < c.Max {
		return c.Min, c.Max
	}
	low, high = math.Inf(1), math.Inf(-1)
	for _, row := range c.Values {
		for _, v := range row {
			if drawable(v) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	return low, high
}

func (p *pen) cell(v, low, high, x, y, w, h float64, tip string) {
	if !drawable(v) {
		p.rect("none", x+1, y+1, w-2, h-2)
		return
	}
	strength := 0.5
	if high > low {
		strength = min(max((v-low)/(high-low), 0), 1)
	}
	opacity := 0.08 + 0.92*strength
	p.add(`<rect class="cell" x="`, px(x+1), `" y="`, px(y+1), `" width="`, px(w-2), `" height="`, px(h-2), `" fill-opacity="`,
		strconv.FormatFloat(math.Round(opacity*100)/100, 'f', -1, 64), `"><title>`, escape(tip+": "+Number(v)), "</title></rect>")
	text := strconv.FormatFloat(v, 'g', 2, 64)
	if math.Abs(v) >= 100 {
		text = Number(math.Round(v))
	}
	if textWidth(text, smallSize) > w-4 {
		return
	}
	class := "x m off"
	if opacity > 0.55 {
		class = "x m on"
	}
	p.text(class, x+w/2, y+15, text)
}
