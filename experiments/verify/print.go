package verify

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Counts are how many rows there were of each outcome.
type Counts struct {
	Passed      int `json:"passed"`
	Failed      int `json:"failed"`
	Unsupported int `json:"unsupported"`
}

// Add counts a row.
func (c *Counts) Add(row Row) {
	switch row.Status {
	case Pass:
		c.Passed++
	case Fail:
		c.Failed++
	default:
		c.Unsupported++
	}
}

func (c Counts) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d unsupported", c.Passed, c.Failed, c.Unsupported)
}

// A Table prints rows for people, as soon as the case that they belong to is
// complete: one line for a case that passes, and every row that does not. It is
// up to 120 columns wide.
type Table struct {
	Counts
	w     io.Writer
	all   bool
	rows  []Row // of the case at hand
	cases Counts
	begun bool
	err   error
}

// NewTable returns a table that prints to w, every row if all is set.
func NewTable(w io.Writer, all bool) *Table { return &Table{w: w, all: all} }

// Add takes the next row.
func (t *Table) Add(row Row) {
	if len(t.rows) > 0 && (t.rows[0].Folder != row.Folder || t.rows[0].Case != row.Case) {
		t.flush()
	}
	t.rows = append(t.rows, row)
	t.Counts.Add(row)
}

// Close prints the last case and a summary.
func (t *Table) Close() error {
	t.flush()
	if t.begun {
		t.printf("\n%s · cases: %s\n", t.Counts, t.cases)
	}
	return t.err
}

func (t *Table) printf(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

// flush prints the case at hand.
func (t *Table) flush() {
	if len(t.rows) == 0 {
		return
	}
	if !t.begun {
		t.begun = true
		t.line("STATUS", "CASE", "COMPARED", "MAX ABS", "MAX REL", "TENSOR OR TOLERANCE")
	}
	var passing []Row
	worst := Pass
	for _, row := range t.rows {
		if row.Status == Pass && !t.all {
			passing = append(passing, row)
		} else {
			t.row(row)
		}
		if row.Status == Fail || row.Status == Unsupported && worst == Pass {
			worst = row.Status
		}
	}
	t.cases.Add(Row{Status: worst})
	if len(passing) > 0 {
		t.passing(passing)
	}
	t.rows = t.rows[:0]
}

// passing prints one line for rows that pass, with the largest error of all.
func (t *Table) passing(rows []Row) {
	sum := rows[0]
	for _, row := range rows {
		if row.MaxAbs > sum.MaxAbs {
			sum.MaxAbs, sum.Name = row.MaxAbs, row.Name
		}
		sum.MaxRel = max(sum.MaxRel, row.MaxRel)
	}
	compared := fmt.Sprintf("%d rows", len(rows))
	if len(rows) == 1 {
		compared, sum.Name = sum.Name, ""
	}
	if sum.MaxAbs == 0 {
		sum.Name = ""
	}
	t.line(string(Pass), sum.title(), compared, digits(sum.MaxAbs), digits(sum.MaxRel), sum.Name)
}

// row prints one row, and below it what its note says.
func (t *Table) row(row Row) {
	switch {
	case row.Status == Unsupported && row.Name == "":
		t.printf("%s\n", cut(fmt.Sprintf("%-11s %-32s %s", row.Status, row.title(), row.Note), tableWidth))
		return
	case row.Tolerance == "":
		t.line(string(row.Status), row.title(), row.Name, "", "", "")
	default:
		t.line(string(row.Status), row.title(), row.Name, digits(row.MaxAbs), digits(row.MaxRel), row.Tolerance)
	}
	if row.Note != "" {
		t.printf("%12s%s\n", "", cut(row.Note, tableWidth-12))
	}
}

// title is the folder's name and the case's, as they are selected by.
func (row Row) title() string { return filepath.Base(row.Folder) + "/" + row.Case }

const tableWidth = 120

// line prints columns that stand below each other where they are not too long.
func (t *Table) line(status, title, compared, abs, rel, rest string) {
	var b strings.Builder
	end := 0
	for _, c := range []struct {
		text  string
		width int
	}{{status, 12}, {title, 33}, {compared, 32}, {abs, 8}, {rel, 8}} {
		b.WriteString(c.text)
		end += c.width
		b.WriteString(strings.Repeat(" ", max(1, end-utf8.RuneCountInString(b.String()))))
	}
	rest = cut(rest, max(20, tableWidth-utf8.RuneCountInString(b.String())))
	t.printf("%s\n", strings.TrimRight(b.String()+rest, " "))
}

// cut makes a text one line of so many characters at most.
func cut(text string, most int) string {
	text = strings.ReplaceAll(text, "\n", " ")
	if c := []rune(text); len(c) > most {
		text = string(c[:most-1]) + "…"
	}
	return text
}

// digits writes an error in two digits.
func digits(x float64) string {
	if x >= math.MaxFloat64 {
		return "∞"
	}
	return fmt.Sprintf("%.2g", x)
}

// An Object prints rows as one JSON object, {"rows": […], "passed": n, …}, each
// row as it comes.
type Object struct {
	Counts
	w     io.Writer
	begun bool
	err   error
}

// NewObject returns an object that is printed to w.
func NewObject(w io.Writer) *Object { return &Object{w: w} }

// Add prints the next row.
func (o *Object) Add(row Row) {
	o.Counts.Add(row)
	text, before := o.encode(row), ",\n  "
	if !o.begun {
		o.begun, before = true, "{\"rows\": [\n  "
	}
	o.write(before + text)
}

// Close ends the object.
func (o *Object) Close() error {
	if o.begun {
		o.write("\n], " + strings.TrimPrefix(o.encode(o.Counts), "{") + "\n")
	}
	return o.err
}

func (o *Object) encode(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil && o.err == nil {
		o.err = err
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (o *Object) write(text string) {
	if o.err == nil {
		_, o.err = io.WriteString(o.w, text)
	}
}
