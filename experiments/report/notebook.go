package report

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Notebook is a Jupyter notebook (nbformat 4.5) with its outputs filled in: a
// list of cells in the order in which they were added. The zero value is an
// empty notebook.
type Notebook struct {
	cells []notebookCell
	runs  int // code cells so far: the next one's execution count less one
}

// Output is what a code cell has printed or shown; Text, SVG, PNG and HTML make
// one.
type Output struct {
	stream string            // text on stdout, or
	data   map[string]string // a picture or text by media type
}

// Text is text printed on standard output.
func Text(text string) Output { return Output{stream: text} }

// SVG shows a picture, given as the text of an SVG file.
func SVG(svg string) Output { return Output{data: map[string]string{"image/svg+xml": svg}} }

// PNG shows a picture, given as the bytes of a PNG file.
func PNG(png []byte) Output {
	return Output{data: map[string]string{"image/png": base64.StdEncoding.EncodeToString(png)}}
}

// HTML shows a piece of HTML, and plain where HTML cannot be shown.
func HTML(html, plain string) Output {
	return Output{data: map[string]string{"text/html": html, "text/plain": plain}}
}

// Markdown adds a cell of text.
func (n *Notebook) Markdown(text string) {
	n.add(notebookCell{Kind: "markdown", Source: lines(text)})
}

// Code adds a cell of Go source with its outputs.
func (n *Notebook) Code(source string, outputs ...Output) {
	n.runs++
	run := n.runs
	list := []any{}
	for _, o := range outputs {
		if o.data == nil {
			list = append(list, streamOutput{"stdout", "stream", lines(o.stream)})
			continue
		}
		data := map[string]any{}
		for media, text := range o.data {
			data[media] = lines(text)
			if media == "image/png" {
				data[media] = text
			}
		}
		list = append(list, displayOutput{data, map[string]any{}, "display_data"})
	}
	n.add(notebookCell{Kind: "code", Source: lines(source), Run: &run, Outputs: &list})
}

func (n *Notebook) add(c notebookCell) {
	c.ID = fmt.Sprintf("cell-%03d", len(n.cells)+1)
	n.cells = append(n.cells, c)
}

// WriteNotebook writes the notebook as JSON. The same cells give the same bytes.
func (n *Notebook) WriteNotebook(w io.Writer) error {
	cells := n.cells
	if cells == nil {
		cells = []notebookCell{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(map[string]any{
		"cells": cells,
		"metadata": map[string]any{
			// no kernel: the cells are a compiled program's
			"language_info": map[string]string{"name": "go", "file_extension": ".go", "mimetype": "text/x-go"},
		},
		"nbformat":       4,
		"nbformat_minor": 5,
	})
}

// notebookCell is a cell as nbformat writes it: only code cells have an
// execution count and outputs.
type notebookCell struct {
	Kind    string
	ID      string
	Source  []string
	Run     *int
	Outputs *[]any
}

func (c notebookCell) MarshalJSON() ([]byte, error) {
	fields := map[string]any{"cell_type": c.Kind, "id": c.ID, "metadata": map[string]any{}, "source": c.Source}
	if c.Outputs != nil {
		fields["execution_count"], fields["outputs"] = c.Run, c.Outputs
	}
	return marshalPlain(fields)
}

// marshalPlain is json.Marshal with <, > and & as they are.
func marshalPlain(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return []byte(b.String()), err
}

type streamOutput struct {
	Name string   `json:"name"`
	Kind string   `json:"output_type"`
	Text []string `json:"text"`
}

type displayOutput struct {
	Data     map[string]any `json:"data"`
	Metadata map[string]any `json:"metadata"`
	Kind     string         `json:"output_type"`
}

// lines splits text as nbformat does: every line keeps its end.
func lines(text string) []string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	out := strings.SplitAfter(text, "\n")
	if out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	return out
}
