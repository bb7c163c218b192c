package report

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"
	"slices"
	"strconv"

	"github.com/lowrank/lowrank/experiments/report/chart"
)

// An Article is a page of sections, each with charts and perhaps a table, in
// the style of a study's page.
type Article struct {
	Title    string
	Headline []string
	Facts    []Fact
	Sections []Section
}

// A Section is a part of an Article.
type Section struct {
	Title  string
	Text   []string // paragraphs before the charts
	Keys   []Key    // a legend of all charts
	Charts []string // SVG of package chart, [ChartWidth] wide
	Table  *Table
}

// ChartWidth is how wide a chart of a Section is drawn, in pixels.
const ChartWidth = small

// A Key is an entry of a legend: a series' name and its style.
type Key = key

// A Table can be sorted by each of its columns.
type Table struct {
	Columns []Column
	Rows    [][]Cell
}

// A Column is a table's head.
type Column = column

// A Cell is a text and, where it is numeric, the value to sort by.
type Cell struct{ Text, Sort string }

// NumberCell returns the cell of a value, "–" where it is not finite.
func NumberCell(v float64, text string) Cell {
	if !finite(v) {
		return Cell{Text: text}
	}
	return Cell{text, strconv.FormatFloat(v, 'g', -1, 64)}
}

//go:embed article.html
var articleHTML string

var articleTemplate = template.Must(template.New("article").Funcs(template.FuncMap{
	"keypic": func(style int) template.HTML { return template.HTML(chart.Key(style)) },
	"chart":  func(svg string) template.HTML { return template.HTML(svg) },
}).Parse(articleHTML))

// Write writes the article as one HTML file that needs no network, as
// [WritePage] does a study.
func (a Article) Write(w io.Writer) error {
	style := template.CSS(chart.Stylesheet + pageCSS)
	var b bytes.Buffer
	err := articleTemplate.Execute(&b, struct {
		Article
		Policy string
		Style  template.CSS
		Script template.JS
	}{a, policy(string(style)), style, template.JS(pageJS)})
	if err != nil {
		return err
	}
	_, err = w.Write(b.Bytes())
	return err
}

// Grid arranges the names of linear maps, "model.layers.3.self_attn.q_proj", as
// the report's heat maps do: a row a place, in depth order, and a column a
// kind; at holds the row and the column of each name.
func Grid(names []string) (places, kinds []string, at map[string][2]int) {
	at = map[string][2]int{}
	o := observed{layers: layersOf(names)}
	places, kinds = o.places(), o.kinds()
	for _, l := range o.layers {
		at[l.name] = [2]int{slices.Index(places, l.place), slices.Index(kinds, l.kind)}
	}
	for i, k := range kinds {
		kinds[i] = shortKind(k)
	}
	return places, kinds, at
}
