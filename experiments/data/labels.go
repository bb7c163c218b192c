package data

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Values are what a column of labels holds.
type Values int

// What a column may hold.
const (
	Classes Values = iota // one name each, or one whole number
	Reals                 // numbers, of which at least one is not whole
	Sets                  // a list of names each
)

// LabelsOf says what the column of labels holds. Every row must have one.
func (t *Table) LabelsOf(column int) (Values, error) {
	lists, numbers, whole := 0, 0, 0
	for i := range t.Rows {
		c := t.Cell(i, column)
		switch c.Kind {
		case Null, Other:
			return 0, t.At(i, column, "is %s, must be a label", c.Kind)
		case List:
			lists++
		case Text, Number:
			if x, err := strconv.ParseFloat(c.Text, 64); err == nil && !math.IsNaN(x) && !math.IsInf(x, 0) {
				numbers++
			}
			if _, err := strconv.ParseInt(c.Text, 10, 64); err == nil {
				whole++
			}
		}
		if lists > 0 && lists <= i {
			return 0, t.At(i, column, "is %s where other rows are not: must be lists of labels, or none", c.Kind)
		}
	}
	switch {
	case lists > 0:
		return Sets, nil
	case numbers == len(t.Rows) && whole < numbers:
		return Reals, nil
	}
	return Classes, nil
}

// Names returns the labels of a row: one, or those of a list.
func (t *Table) Names(row, column int) ([]string, error) {
	c := t.Cell(row, column)
	if c.Kind != List {
		name, err := t.Text(row, column)
		return []string{name}, err
	}
	var names []string
	for _, x := range c.List {
		if x.Kind != Text && x.Kind != Number && x.Kind != Bool {
			return nil, t.At(row, column, "has a label that is %s, must be text", x.Kind)
		}
		if slices.Contains(names, x.Text) {
			return nil, t.At(row, column, "has the label %s twice", quoted(x.Text))
		}
		names = append(names, x.Text)
	}
	return names, nil
}

// Real returns the number of a row.
func (t *Table) Real(row, column int) (float32, error) {
	text, err := t.Text(row, column)
	if err != nil {
		return 0, err
	}
	x, err := strconv.ParseFloat(text, 32)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		return 0, t.At(row, column, "is %s, must be a finite number", quoted(text))
	}
	return float32(x), nil
}

// SortLabels sorts distinct labels, as numbers where all are whole ones.
func SortLabels(names []string) {
	value := map[string]int64{}
	for _, n := range names {
		if x, err := strconv.ParseInt(n, 10, 64); err == nil {
			value[n] = x
		}
	}
	if len(value) < len(names) {
		slices.Sort(names)
		return
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(value[a], value[b]) })
}

// Distinct returns the labels of a column, each once, sorted. More than most
// are an error: the column holds something else.
func (t *Table) Distinct(column, most int) ([]string, error) {
	seen := map[string]bool{}
	var all []string
	for i := range t.Rows {
		names, err := t.Names(i, column)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			if !seen[n] {
				seen[n] = true
				all = append(all, n)
			}
		}
		if len(all) > most {
			return nil, fmt.Errorf("%s: column %s has more than %d different labels", t.Name, quoted(t.Columns[column]), most)
		}
	}
	SortLabels(all)
	return all, nil
}
