package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"

	"github.com/lowrank/lowrank/experiments/report/chart"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"keypic": func(style int) template.HTML { return template.HTML(chart.Key(style)) },
}).Parse(pageHTML))

// page is what page.html shows.
type page struct {
	Title       string
	Policy      string
	Style       template.CSS
	Script      template.JS
	Headline    []string
	Unit        unit // of the losses
	Facts       []Fact
	Keys        []key // of the curves over learning rates
	Front       []key // of the dynamics
	Crowd       bool
	Best        *picture
	ByRate      *picture
	ByAxis      []*picture
	Four        bool // axes
	Unbracketed []string
	Good        *picture
	Forgetting  *picture
	Compare     []template.HTML
	Methods     []detail
	NoMetrics   bool
	Columns     []column
	Rows        [][]cell
	Troubles    []trouble
	Command     string
}

// picture is a chart for wide and for narrow screens.
type picture struct {
	Wide, Narrow template.HTML
	Caption      string
}

func (f figure) picture(width float64) *picture {
	return &picture{template.HTML(f.draw(width, false)), template.HTML(f.draw(narrow, false)), f.caption}
}

// detail is the part of the page on one method's dynamics.
type detail struct {
	Label  string
	Style  int
	Intro  string
	Keys   []key
	Charts []template.HTML
	Notes  []string
	Open   bool
}

// WritePage writes the study as one HTML file that needs no network: style,
// script and charts are inside, and its content security policy forbids every
// request. The page is complete without the script, which adds values under
// the pointer, legends that hide and show curves, a sortable table, and a search
// among many methods. The same study gives the same bytes.
func WritePage(w io.Writer, study Study) error {
	methods := summarise(study.Runs)
	p := page{
		Title: study.Title, Headline: headline(methods), Unit: unitOf(methods...), Facts: facts(study, methods),
		Keys: methodKeys(methods), Front: methodKeys(outstanding(methods)), Crowd: len(methods) >= crowd, Unbracketed: unbracketed(methods),
		Columns: columns, Rows: table(methods), Troubles: troubles(methods), Command: study.Command,
		Style: template.CSS(chart.Stylesheet + pageCSS), Script: template.JS(pageJS),
	}
	if p.Title == "" {
		p.Title = "Low-rank adaptation study"
	}
	p.Policy = policy(string(p.Style))
	for _, f := range lossFigures(methods) {
		pic := f.picture(wide)
		switch f.name {
		case "best_loss":
			p.Best = pic
		case "loss_by_learning_rate":
			p.ByRate = pic
		case "good_learning_rates":
			p.Good = pic
		case "forgetting_against_gain":
			p.Forgetting = pic
		}
	}
	axes := byAxis(methods)
	p.Four = len(axes) == 4
	for _, f := range axes {
		width := small
		if p.Four { // in one row
			width = (wide - 3*gap) / 4
		}
		p.ByAxis = append(p.ByAxis, f.picture(width))
	}
	all := observe(study, methods)
	p.NoMetrics = len(all) == 0
	for _, f := range compareFigures(all) {
		p.Compare = append(p.Compare, template.HTML(f.draw(small, false)))
	}
	for i, o := range all {
		p.Methods = append(p.Methods, o.detail(i == 0))
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, p); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (o *observed) detail(open bool) detail {
	d := detail{Label: o.label, Style: o.style, Notes: o.notes, Open: open, Keys: o.kindKeys(),
		Intro: "Run " + o.run.ID + ": learning rate " + lrText(o.run.LR) + ", held-out loss " + loss(o.run.Eval["adapt_after"]) +
			". Thin lines are single adapters, strong ones the median of a kind of map."}
	for _, svg := range o.details() {
		d.Charts = append(d.Charts, template.HTML(svg))
	}
	if len(d.Charts) == 0 {
		d.Intro = "Run " + o.run.ID + " has no metrics to draw."
	}
	return d
}

// policy is the content security policy of a page with this style and page.js.
func policy(style string) string {
	return "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; style-src '" + digest(style) + "'; script-src '" + digest(pageJS) + "'"
}

// digest is the source expression of an inline text in a content security policy.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
