package notebooks

import (
	"bytes"
	"cmp"
	"html/template"
	"io"

	"github.com/yuin/goldmark"
)

var pageTemplate = template.Must(template.New("notebook").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{{.Title}}</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
pre{font-size:13px;line-height:1.4;overflow-x:auto}
pre.printed{white-space:pre-wrap}
details,.scroll{overflow-x:auto}
summary{font-size:13px;opacity:.6;cursor:pointer}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums;margin:1rem 0}
th,td{padding:.2rem .6rem;border-bottom:1px solid #8884;white-space:nowrap}
</style>
</head>
<body>
{{range .Cells}}{{if .Prose}}{{.Prose}}{{else}}<details><summary>code</summary><pre>{{.Code}}</pre></details>
{{range .Outputs}}{{if .Markup}}<div class="scroll">{{.Markup}}</div>{{else}}<pre class="printed">{{.Text}}</pre>{{end}}
{{end}}{{end}}{{end}}</body>
</html>
`))

type pageCell struct {
	Prose   template.HTML
	Code    string
	Outputs []pageOutput
}

type pageOutput struct {
	Markup template.HTML // a figure or a table
	Text   string        // or what was printed
}

// WritePage writes the notebook with what it has gathered as one HTML file that
// needs no network: the code is folded away, the rest is there to be read. HTML
// in the prose is left out.
func (nb *Notebook) WritePage(w io.Writer, title string) error {
	nb.mu.Lock()
	defer nb.mu.Unlock()
	var cells []pageCell
	for _, c := range nb.cells {
		if c.prose {
			var prose bytes.Buffer
			if err := goldmark.Convert([]byte(c.text), &prose); err != nil {
				return err
			}
			cells = append(cells, pageCell{Prose: template.HTML(prose.String())})
			continue
		}
		page := pageCell{Code: c.text}
		for _, o := range c.outputs {
			if o.plain() {
				page.Outputs = append(page.Outputs, pageOutput{Text: o.text})
			} else {
				page.Outputs = append(page.Outputs, pageOutput{Markup: template.HTML(cmp.Or(o.svg, o.html))})
			}
		}
		cells = append(cells, page)
	}
	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, map[string]any{"Title": title, "Cells": cells}); err != nil {
		return err
	}
	_, err := w.Write(page.Bytes())
	return err
}
