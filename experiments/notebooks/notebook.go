package notebooks

import (
	"context"
	"fmt"
	"html"
	"io"
	"reflect"
	"runtime"
	"strings"
	"sync"

	"github.com/lowrank/lowrank/experiments/report"
	"github.com/lowrank/lowrank/experiments/report/chart"
)

// An Experiment is the function whose body is the notebook.
type Experiment func(ctx context.Context, nb *Notebook) error

// A Notebook is an experiment's source as cells, which gather what the
// experiment prints and draws while it runs.
type Notebook struct {
	Dir      string    // folder for what the experiment keeps
	Short    bool      // asks for the form that a test can wait for
	Progress *Progress // what a person who waits is told

	file   string    // as the running program knows the source
	screen io.Writer // sees all output as it comes

	mu    sync.Mutex
	cells []cell
}

// output is one thing that a cell put out: text, a figure or a table.
type output struct{ text, svg, html string }

// New reads the source of the file that declares the experiment, a function
// with a name, as cells. What is put out is also printed on screen.
func New(source string, experiment Experiment, screen io.Writer) (*Notebook, error) {
	f := runtime.FuncForPC(reflect.ValueOf(experiment).Pointer())
	file, _ := f.FileLine(f.Entry())
	name := f.Name()[strings.LastIndex(f.Name(), ".")+1:]
	cells, err := split(source, name)
	if err != nil {
		return nil, err
	}
	return &Notebook{Progress: &Progress{out: io.Discard}, file: file, screen: screen, cells: cells}, nil
}

// Printf prints below the cell that calls it.
func (nb *Notebook) Printf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	nb.put(output{text: text}, text)
}

// Figure shows a chart, the text of an SVG of package chart, below the cell
// that calls it.
func (nb *Notebook) Figure(svg string) {
	_, title, _ := strings.Cut(svg, `aria-label="`)
	title, _, _ = strings.Cut(title, `"`)
	nb.put(output{svg: chart.File(svg)}, "[figure: "+html.UnescapeString(title)+"]\n")
}

// put adds an output to the cell that is being run.
func (nb *Notebook) put(o output, screen string) {
	nb.mu.Lock()
	defer nb.mu.Unlock()
	fmt.Fprint(nb.screen, screen)
	c := nb.running()
	if n := len(c.outputs); n > 0 && o.plain() && c.outputs[n-1].plain() {
		c.outputs[n-1].text += o.text
		return
	}
	c.outputs = append(c.outputs, o)
}

func (o output) plain() bool { return o.svg == "" && o.html == "" }

// running is the cell of code that the experiment is in: that of the outermost
// call in the source, so that a function shared by cells puts out below the
// cell that called it. A call from elsewhere counts for the last cell of code.
func (nb *Notebook) running() *cell {
	var calls [64]uintptr
	frames := runtime.CallersFrames(calls[:runtime.Callers(2, calls[:])])
	var at *cell
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if f.File != nb.file {
			continue
		}
		for i := range nb.cells {
			if c := &nb.cells[i]; !c.prose && c.first <= f.Line && f.Line <= c.last {
				at = c
			}
		}
	}
	for i := len(nb.cells) - 1; at == nil; i-- { // there is one: that which calls
		if !nb.cells[i].prose {
			at = &nb.cells[i]
		}
	}
	return at
}

// Write writes the notebook with what it has gathered as nbformat 4.5 JSON.
func (nb *Notebook) Write(w io.Writer) error {
	nb.mu.Lock()
	defer nb.mu.Unlock()
	var n report.Notebook
	for _, c := range nb.cells {
		if c.prose {
			n.Markdown(c.text)
			continue
		}
		var outputs []report.Output
		for _, o := range c.outputs {
			switch {
			case o.svg != "":
				outputs = append(outputs, report.SVG(o.svg))
			case o.html != "":
				outputs = append(outputs, report.HTML(o.html, o.text))
			default:
				outputs = append(outputs, report.Text(o.text))
			}
		}
		n.Code(c.text, outputs...)
	}
	return n.WriteNotebook(w)
}
