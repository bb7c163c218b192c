package data

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// readCSV reads a file of comma-separated values whose first line names the
// columns.
func readCSV(path string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseCSV(path, f)
}

func parseCSV(name string, r io.Reader) (*Table, error) {
	b := newBuilder(name)
	buffered := bufio.NewReaderSize(r, 1<<16)
	if mark, _ := buffered.Peek(3); string(mark) == "\ufeff" {
		buffered.Discard(3)
	}
	records := csv.NewReader(buffered)
	header, err := records.Read()
	if err == io.EOF {
		return nil, fmt.Errorf("%s is empty: need a first line with the names of the columns", name)
	}
	if err != nil {
		return nil, csvError(name, err)
	}
	for i, column := range header {
		if slices.Contains(header[:i], column) {
			return nil, fmt.Errorf("%s:1: two columns have the name %s", name, quoted(column))
		}
		if _, err := b.column(column); err != nil {
			return nil, fmt.Errorf("%s:1: %w", name, err)
		}
	}
	for {
		record, err := records.Read()
		if err == io.EOF {
			return &b.Table, nil
		}
		if err != nil {
			return nil, csvError(name, err)
		}
		line, _ := records.FieldPos(0)
		cells := make([]Cell, len(record))
		for i, text := range record {
			cells[i] = Cell{Kind: Text, Text: text}
		}
		if err := b.add(line, cells); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
	}
}

// csvError is an error of the reader with its place.
func csvError(name string, err error) error {
	var p *csv.ParseError
	switch {
	case !errors.As(err, &p):
		return fmt.Errorf("%s: %w", name, err)
	case errors.Is(err, csv.ErrFieldCount):
		return fmt.Errorf("%s:%d: has another number of fields than the first line", name, p.Line)
	default:
		return fmt.Errorf("%s:%d:%d: %w", name, p.Line, p.Column, p.Err)
	}
}
