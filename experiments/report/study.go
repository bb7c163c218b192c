package report

import "github.com/lowrank/lowrank/experiments/record"

// Study is what a page tells about: many runs of the same task, differing in
// method, learning rate and seed.
type Study struct {
	Title   string
	Facts   []Fact // what the runs do not tell themselves: texts, base model, tokens
	Command string // does the whole study again
	Runs    []*record.Run

	// Metrics returns the metrics of a run; it is asked only for the runs at
	// each method's best learning rate. An error is told on the page. It may be
	// nil: then the page has no dynamics.
	Metrics func(*record.Run) ([]record.Metric, error)
}

// Fact is a line of the page's head: "Base model", "llama, 4 layers, …".
type Fact struct{ Name, Text string }
