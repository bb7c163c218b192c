package report

import "github.com/lowrank/lowrank/experiments/report/chart"

// Figure is a chart as a file of its own.
type Figure struct {
	Name    string // a file name without its extension: "loss_by_learning_rate"
	Caption string
	SVG     string
}

// Figures returns the study's charts as stand-alone SVG files, those that the
// runs give data for, in the order of the page.
func Figures(study Study) []Figure {
	methods := summarise(study.Runs)
	list := lossFigures(methods)
	list = append(list, compareFigures(observe(study, methods))...)
	var out []Figure
	for _, f := range list {
		out = append(out, Figure{f.name, f.caption, chart.File(f.draw(wide, true))})
	}
	return out
}

// The widths in pixels at which charts are drawn: text keeps its size, so that
// a narrow screen gets a narrow chart instead of a shrunken one.
const (
	wide   = 1064.0
	narrow = 350.0
	small  = 336.0 // one of several side by side
	gap    = 28.0  // between them, as in page.css
)

// figure is a chart before its width is known.
type figure struct {
	name, caption string
	draw          func(width float64, legend bool) string
}

// key is an entry of a legend outside the charts.
type key struct {
	Name  string
	Style int
}

func methodKeys(methods []*method) []key {
	var out []key
	for _, m := range methods {
		out = append(out, key{m.label, m.style})
	}
	return out
}
