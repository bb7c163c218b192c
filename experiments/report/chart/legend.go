package chart

// legendEntry is a key and its name at a place below the chart.
type legendEntry struct {
	name  string
	style int
	x, y  float64
}

// legend places one entry for every name among the series, in rows, and
// returns the height they take.
func (c Plot) legend() ([]legendEntry, float64) {
	const gap, row, key = 14.0, 18.0, 36.0
	seen := map[string]bool{}
	var out []legendEntry
	x, y := 0.0, 12.0
	for _, s := range c.Series {
		if s.Name == "" || s.Muted || seen[s.Name] {
			continue
		}
		seen[s.Name] = true
		name := shorten(s.Name, textSize, c.Width-key-20)
		width := key + textWidth(name, textSize)
		if x > 0 && x+width > c.Width {
			x, y = 0, y+row
		}
		out = append(out, legendEntry{name, s.Style, x, y})
		x += width + gap
	}
	if len(out) == 0 {
		return nil, 0
	}
	return out, y + 10
}

func (p *pen) drawLegend(entries []legendEntry, top float64) {
	for _, e := range entries {
		p.add(`<g class="`, styleClass(e.style), `">`)
		p.line("l", e.x, top+e.y-4, e.x+28, top+e.y-4)
		p.marker(e.style, e.x+14, top+e.y-4, 3.5, "")
		p.text("n", e.x+34, top+e.y, e.name)
		p.add("</g>")
	}
}
