package chart

import "math"

// edgeStep is the room of one mark in the strip above a chart, in pixels.
const edgeStep = 11.0

// edgeRows finds how many marks stand side by side at one X and how many rows
// the strip needs.
func (c Plot) edgeRows(edges []Edge) (perRow, rows int) {
	count := map[float64]int{}
	most := 0
	for _, e := range edges {
		if c.X.shows(e.X) {
			count[e.X]++
			most = max(most, count[e.X])
		}
	}
	if most == 0 {
		return 0, 0
	}
	perRow = max(1, int(math.Floor(c.Width*0.7/float64(len(count))/edgeStep)))
	return min(perRow, most), (most + perRow - 1) / perRow
}

// edges draws the marks of every X side by side, centred on it.
func (p *pen) edges(edges []Edge, perRow int, x scale, top float64) {
	total, placed := map[float64]int{}, map[float64]int{}
	for _, e := range edges {
		total[e.X]++
	}
	for _, e := range edges {
		if math.IsNaN(e.X) || x.over(e.X) {
			continue
		}
		row, column := placed[e.X]/perRow, placed[e.X]%perRow
		inRow := min(perRow, total[e.X]-row*perRow)
		placed[e.X]++
		half := float64(inRow-1) / 2 * edgeStep
		centre := min(max(x.at(e.X), x.from+half+5), x.till-half-5)
		class := styleClass(e.Style)
		if e.Muted {
			class += " muted"
		}
		p.add(`<g class="s `, class, `" data-n="`, escape(e.Name), `">`)
		p.marker(e.Style, centre-half+float64(column)*edgeStep, top+float64(row)*edgeStep, 3.2, e.Tip)
		p.add("</g>")
	}
}
