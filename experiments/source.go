package experiments

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/experiments/data"
)

// A source is what a path of data holds; one of its fields is set.
type source struct {
	path   string
	texts  []string
	table  *data.Table
	images []data.Image
}

// readSource reads what the path of the field names.
func readSource(field, path string) (*source, error) {
	s := &source{path: path}
	var err error
	switch {
	case data.IsText(path):
		s.texts, err = data.ReadDocuments(path)
	case data.IsImages(path):
		s.images, err = data.ListImages(path)
	default:
		s.table, err = data.ReadTable(path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return s, nil
}

func (s *source) kind() string {
	switch {
	case s.images != nil:
		return "images"
	case s.table != nil:
		return "a table"
	}
	return "plain text"
}

// The columns that are looked for where the configuration names none, the
// first that is there.
var (
	textColumns   = []string{"text", "sentence", "sentence1", "premise", "prompt", "instruction", "question", "source", "input", "document", "article", "review"}
	pairColumns   = []string{"text_pair", "sentence2", "hypothesis"}
	labelColumns  = []string{"label", "labels", "class", "score"}
	targetColumns = []string{"target", "completion", "response", "output", "answer", "summary"}
)

func has(t *data.Table, usual []string) bool {
	return slices.ContainsFunc(usual, func(name string) bool { return slices.Contains(t.Columns, name) })
}

// column returns the number of a column that the configuration names as
// data.KEY, or else of the first that is usual.
func (s *source) column(key, name string, usual []string) (int, error) {
	if name != "" {
		i, err := s.table.Column(name)
		if err != nil {
			return 0, fmt.Errorf("data.%s: %w", key, err)
		}
		return i, nil
	}
	for _, u := range usual {
		if i := slices.Index(s.table.Columns, u); i >= 0 {
			return i, nil
		}
	}
	_, err := s.table.Column(usual[0])
	return 0, fmt.Errorf("data.%s: %w (looked for %s)", key, err, strings.Join(usual, ", "))
}

// columns are those that a task reads; -1: none.
type columns struct{ text, pair, label, target int }

// columnsOf finds the columns of a task.
func (s *source) columnsOf(task string, d Data) (c columns, err error) {
	c = columns{-1, -1, -1, -1}
	if s.table == nil {
		return c, nil
	}
	if c.text, err = s.column("text", d.Text, textColumns); err != nil {
		return c, err
	}
	switch {
	case classifies(task):
		if c.label, err = s.column("label", d.Label, labelColumns); err != nil {
			return c, err
		}
		if d.Pair != "" || d.Text == "" && has(s.table, pairColumns) {
			c.pair, err = s.column("pair", d.Pair, pairColumns)
		}
	case task == Seq2Seq, task == CausalLM && (d.Target != "" || has(s.table, targetColumns)):
		c.target, err = s.column("target", d.Target, targetColumns)
	}
	return c, err
}
