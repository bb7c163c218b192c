package data

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lowrank/lowrank/lora/nearest"
)

// A Table is the records of a file.
type Table struct {
	Name    string // of the file
	Columns []string
	Rows    []Row
}

// A Row is one record.
type Row struct {
	Line  int    // of the file, counted from 1; of a Parquet file the row
	Cells []Cell // of the columns; those that are missing at the end are Null
}

// A Cell is a value as the file writes it.
type Cell struct {
	Kind Kind
	Text string // of Text, and of Number its digits
	List []Cell
}

// A Kind is what a value is.
type Kind uint8

// The kinds. A CSV file has Text alone.
const (
	Null Kind = iota
	Text
	Number
	Bool // Text is true or false
	List
	Other // an object, or bytes that are no text
)

func (k Kind) String() string {
	return [...]string{"missing", "text", "a number", "true or false", "a list", "neither text nor a number"}[k]
}

// Bounds of what a file may be: far above any set of examples that is trained
// on here, and below what would exhaust a machine before an error is given.
const (
	maxFileBytes = 4 << 30
	maxLineBytes = 64 << 20
	maxColumns   = 4096
	maxCells     = 1 << 26
)

// formats are the readers of tables, by the end of a file's name.
var formats = map[string]func(path string) (*Table, error){
	".jsonl":   readJSONL,
	".csv":     readCSV,
	".parquet": readParquet,
}

// ReadTable reads a file of records, by the end of its name. An error is one
// line that names the file and, if it is about a place there, the line.
func ReadTable(path string) (*Table, error) {
	read, ok := formats[strings.ToLower(filepath.Ext(path))]
	if !ok {
		return nil, fmt.Errorf("%s: must end in .txt, .jsonl, .csv or .parquet, or be a folder", path)
	}
	if err := checkFile(path, maxFileBytes); err != nil {
		return nil, err
	}
	t, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("%w", err)
	}
	if len(t.Rows) == 0 {
		return nil, fmt.Errorf("%s has no records", path)
	}
	return t, nil
}

// checkFile refuses what is no file, or too large a one.
func checkFile(path string, most int64) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("%w", err)
	case info.IsDir():
		return fmt.Errorf("%s is a directory: need a file", path)
	case !info.Mode().IsRegular(): // opening a pipe could wait for ever
		return fmt.Errorf("%s is a device or a pipe: need a file", path)
	case info.Size() > most:
		return fmt.Errorf("%s has %d bytes: must be at most %d", path, info.Size(), most)
	}
	return nil
}

// Column returns the number of the column, or an error that lists those there
// are, the nearest first.
func (t *Table) Column(name string) (int, error) {
	if i := slices.Index(t.Columns, name); i >= 0 {
		return i, nil
	}
	return 0, fmt.Errorf("%s has no column %s; there are, nearest first: %s", t.Name, quoted(name), list(nearest.First(name, t.Columns)))
}

// list writes names on one line of bounded length.
func list(names []string) string {
	const most = 20
	var short []string
	for _, n := range names[:min(len(names), most)] {
		short = append(short, quoted(n))
	}
	if len(names) > most {
		short = append(short, fmt.Sprintf("and %d more", len(names)-most))
	}
	return strings.Join(short, ", ")
}

// quoted writes a name from a file as one short line.
func quoted(name string) string {
	if r := []rune(name); len(r) > 60 {
		name = string(r[:60]) + "…"
	}
	return strconv.Quote(name)
}

// At is an error about a cell: its file, its line and its column.
func (t *Table) At(row, column int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: column %s: %s", t.Name, t.Rows[row].Line, quoted(t.Columns[column]), fmt.Sprintf(format, args...))
}

// Cell returns a value of a row.
func (t *Table) Cell(row, column int) Cell {
	if cells := t.Rows[row].Cells; column < len(cells) {
		return cells[column]
	}
	return Cell{}
}

// Text returns the text of a cell; a number and a truth value have the text
// that the file has.
func (t *Table) Text(row, column int) (string, error) {
	switch c := t.Cell(row, column); c.Kind {
	case Text, Number, Bool:
		return c.Text, nil
	default:
		return "", t.At(row, column, "is %s, must be text", c.Kind)
	}
}

// A builder collects the rows of a file whose records need not have the same
// columns.
type builder struct {
	Table
	at    map[string]int
	cells int
}

func newBuilder(path string) *builder {
	return &builder{Table: Table{Name: path}, at: map[string]int{}}
}

// column returns the number of a column, which is new where the name is.
func (b *builder) column(name string) (int, error) {
	i, ok := b.at[name]
	if !ok {
		if len(b.Columns) == maxColumns {
			return 0, fmt.Errorf("more than %d columns", maxColumns)
		}
		i = len(b.Columns)
		b.at[name], b.Columns = i, append(b.Columns, name)
	}
	return i, nil
}

// add appends a row.
func (b *builder) add(line int, cells []Cell) error {
	if b.cells += len(cells); b.cells > maxCells {
		return fmt.Errorf("more than %d values", maxCells)
	}
	b.Rows = append(b.Rows, Row{line, cells})
	return nil
}
