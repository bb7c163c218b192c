package chart

import "strconv"

// Styles is the number of line styles that differ: eight colours, each with
// its own marker, times four dash patterns. A style is taken modulo Styles.
const Styles = 32

// Stylesheet is the CSS of all charts: a palette of eight colours that people
// with any of the common colour blindnesses can tell apart (from Okabe and Ito's,
// moved until they did on these papers), in a light and a dark set.
const Stylesheet = `:root{--paper:#fff;--ink:#1c2024;--soft:#5b6470;--grid:#e4e7eb;--frame:#aeb6bf;--heat:#0b5fa5;` +
	`--p0:#0880c1;--p1:#eb4b00;--p2:#03a37c;--p3:#ac5b98;--p4:#4ea2f0;--p5:#d88f00;--p6:#3d434a;--p7:#748716}` +
	`@media(prefers-color-scheme:dark){:root{--paper:#15181c;--ink:#e6e8eb;--soft:#a3abb5;--grid:#2b3036;--frame:#596270;--heat:#6cb8f5;` +
	`--p0:#5297fe;--p1:#ee6e26;--p2:#39ce95;--p3:#cf75b6;--p4:#abb8f6;--p5:#ffdc25;--p6:#d3d8de;--p7:#f0ad28}}` +
	`.chart{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;max-width:100%;height:auto}` +
	`.chart text{fill:var(--soft);font-variant-numeric:tabular-nums}` +
	`.chart text.t,.chart text.n{fill:var(--ink)}.chart text.h{fill:var(--ink);font-weight:600}.chart text.e{text-anchor:end}.chart text.m{text-anchor:middle}` +
	`.chart text.x{font-size:11px}.chart text.on{fill:var(--paper)}.chart text.off{fill:var(--ink)}` +
	`.chart .grid{stroke:var(--grid);fill:none}.chart .minor{stroke:var(--grid);stroke-opacity:.55;fill:none}` +
	`.chart .frame{stroke:var(--frame);fill:none}.chart .rule{stroke:var(--soft);stroke-dasharray:5 4;fill:none}` +
	`.chart .lead{stroke:var(--frame);fill:none}.chart .strip{fill:var(--grid);fill-opacity:.5}` +
	`.chart .halo{stroke:var(--paper);stroke-width:3px;stroke-linejoin:round;paint-order:stroke}` +
	`.chart .l{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}` +
	`.chart .b{fill:var(--c);fill-opacity:.15;stroke:none}` +
	`.chart .k{fill:var(--c);stroke:var(--c);stroke-width:1.2;stroke-linejoin:round}` +
	`.chart .thin .l{stroke-width:1;stroke-opacity:.5}.chart .small .k{stroke-width:1;fill-opacity:.45}` +
	`.chart .muted{--c:var(--frame)}.chart .muted .l{stroke-width:1;stroke-opacity:.75}` +
	`.chart .bar{stroke:var(--c);stroke-width:6;stroke-opacity:.4;fill:none}.chart .tip{stroke:var(--c);stroke-width:1.5;fill:none}` +
	`.chart .cell{fill:var(--heat)}.chart .none{fill:none;stroke:var(--grid)}` +
	`.c0{--c:var(--p0)}.c1{--c:var(--p1)}.c2{--c:var(--p2)}.c3{--c:var(--p3)}.c4{--c:var(--p4)}.c5{--c:var(--p5)}.c6{--c:var(--p6)}.c7{--c:var(--p7)}` +
	`.chart .d1 .l{stroke-dasharray:7 4}.chart .d2 .l{stroke-dasharray:1.5 4}.chart .d3 .l{stroke-dasharray:9 4 1.5 4}` +
	`.chart .d1 .k,.chart .d3 .k{fill:var(--paper);fill-opacity:1}`

// styleClass names the colour and dash classes of a style.
func styleClass(style int) string {
	style = ((style % Styles) + Styles) % Styles
	class := "c" + strconv.Itoa(style%8)
	if dash := style / 8; dash > 0 {
		class += " d" + strconv.Itoa(dash)
	}
	return class
}

// marker writes the mark of a style around (x, y); size is the radius of its
// circle, and the other shapes have about the same area.
func (p *pen) marker(style int, x, y, size float64, tip string) {
	p.add(`<path class="k" d="M`)
	r := size * 0.89
	switch ((style % 8) + 8) % 8 {
	case 0: // circle
		p.add(px(x-size), " ", px(y), "a", px(size), " ", px(size), " 0 1 0 ", px(2*size), " 0a", px(size), " ", px(size), " 0 1 0 ", px(-2*size), " 0z")
	case 1: // square
		p.add(px(x-r), " ", px(y-r), "h", px(2*r), "v", px(2*r), "h", px(-2*r), "z")
	case 2: // triangle
		p.polygon(x, y+size*0.2, size*1.4, 3, 0)
	case 3: // diamond
		p.polygon(x, y, size*1.25, 4, 0)
	case 4: // triangle, point down
		p.polygon(x, y-size*0.2, size*1.4, 3, 1)
	case 5: // plus
		a, b := size*1.2, size*0.42
		p.add(px(x-b), " ", px(y-a), "h", px(2*b), "v", px(a-b), "h", px(a-b), "v", px(2*b), "h", px(b-a), "v", px(a-b),
			"h", px(-2*b), "v", px(b-a), "h", px(b-a), "v", px(-2*b), "h", px(a-b), "z")
	case 6: // pentagon
		p.polygon(x, y, size*1.15, 5, 0)
	case 7: // bar
		p.add(px(x-size*1.3), " ", px(y-size*0.5), "h", px(size*2.6), "v", px(size), "h", px(-size*2.6), "z")
	}
	if tip == "" {
		p.add(`"/>`)
		return
	}
	p.add(`"><title>`, escape(tip), `</title></path>`)
}

// corners holds the unit vectors of regular polygons whose first corner is at
// the top, as numbers so that no platform's sine can change a byte.
var corners = map[int][][2]float64{
	3: {{0, -1}, {0.866, 0.5}, {-0.866, 0.5}},
	4: {{0, -1}, {1, 0}, {0, 1}, {-1, 0}},
	5: {{0, -1}, {0.951, -0.309}, {0.588, 0.809}, {-0.588, 0.809}, {-0.951, -0.309}},
}

// polygon writes the corners of a regular polygon; turned 1 puts the first
// corner at the bottom.
func (p *pen) polygon(x, y, radius float64, n, turned int) {
	sign := float64(1 - 2*turned)
	for i, c := range corners[n] {
		if i > 0 {
			p.add("L")
		}
		p.add(px(x+radius*c[0]), " ", px(y+sign*radius*c[1]))
	}
	p.add("z")
}

// Key returns a small picture of a style, a piece of line with its mark, for a
// legend outside a chart.
func Key(style int) string {
	var p pen
	p.add(`<svg class="chart" width="30" height="12" viewBox="0 0 30 12" aria-hidden="true"><g class="`, styleClass(style), `">`)
	p.line("l", 1, 6, 29, 6)
	p.marker(style, 15, 6, 3.5, "")
	p.add("</g></svg>")
	return p.String()
}
