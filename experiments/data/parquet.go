package data

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
)

// readParquet reads the columns of texts, numbers and lists of them. The
// decoder panics on some damaged files; here that is an error like the others.
func readParquet(path string) (t *Table, err error) {
	defer func() {
		if p := recover(); p != nil {
			t, err = nil, fmt.Errorf("%s: not a readable Parquet file: %v", path, p)
		}
	}()
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	file, err := parquet.OpenFile(f, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	b := newBuilder(path)
	leaves, err := b.leaves(file.Root())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, group := range file.RowGroups() {
		if err := b.group(group, leaves); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, len(b.Rows)+1, err)
		}
	}
	return &b.Table, nil
}

// A leaf is what one of the file's columns of values is a part of.
type leaf struct {
	column int // of the table
	*parquet.Column
	list  bool
	empty int  // the definition level from which on a list is there, be it empty
	other bool // a part of something that is neither a value nor a list of values
}

// leaves lists the columns of values in the file's order.
func (b *builder) leaves(root *parquet.Column) ([]leaf, error) {
	var leaves []leaf
	for _, top := range root.Columns() {
		column, err := b.column(top.Name())
		if err != nil {
			return nil, err
		}
		first := len(leaves)
		var walk func(c *parquet.Column, depth int) error
		walk = func(c *parquet.Column, depth int) error {
			if depth > 32 || len(leaves) > maxColumns {
				return fmt.Errorf("column %s nests too deep or is too wide", quoted(top.Name()))
			}
			if c.Leaf() {
				l := leaf{column: column, Column: c, list: c.MaxRepetitionLevel() == 1, other: c.MaxRepetitionLevel() > 1}
				if top.Optional() {
					l.empty = 1
				}
				leaves = append(leaves, l)
				return nil
			}
			for _, child := range c.Columns() {
				if err := walk(child, depth+1); err != nil {
					return err
				}
			}
			return nil
		}
		if err := walk(top, 0); err != nil {
			return nil, err
		}
		group := !top.Leaf() && leaves[first].MaxRepetitionLevel() == 0
		for i := first; i < len(leaves); i++ {
			leaves[i].other = leaves[i].other || len(leaves)-first > 1 || group
		}
	}
	return leaves, nil
}

// group adds the rows of a row group.
func (b *builder) group(group parquet.RowGroup, leaves []leaf) error {
	rows := group.Rows()
	defer rows.Close()
	buffer := make([]parquet.Row, 64)
	for {
		n, err := rows.ReadRows(buffer)
		for _, row := range buffer[:n] {
			cells := make([]Cell, len(b.Columns))
			for _, v := range row {
				if c := v.Column(); c < 0 || c >= len(leaves) {
					return errors.New("a value is of no column")
				}
				leaves[v.Column()].put(cells, v)
			}
			if err := b.add(len(b.Rows)+1, cells); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrNoProgress
		}
	}
}

// put writes a value into the cell that it belongs to.
func (l *leaf) put(cells []Cell, v parquet.Value) {
	cell := &cells[l.column]
	switch {
	case l.other:
		cell.Kind = Other
	case !l.list:
		*cell = valueOf(v)
	case !v.IsNull():
		cell.Kind, cell.List = List, append(cell.List, valueOf(v))
	case v.DefinitionLevel() >= l.empty && cell.Kind == Null:
		cell.Kind = List
	}
}

func valueOf(v parquet.Value) Cell {
	if v.IsNull() {
		return Cell{}
	}
	switch v.Kind() {
	case parquet.Boolean:
		return Cell{Kind: Bool, Text: strconv.FormatBool(v.Boolean())}
	case parquet.Int32, parquet.Int64:
		return Cell{Kind: Number, Text: strconv.FormatInt(v.Int64(), 10)}
	case parquet.Float:
		return Cell{Kind: Number, Text: decimal(float64(v.Float()), 32)}
	case parquet.Double:
		return Cell{Kind: Number, Text: decimal(v.Double(), 64)}
	case parquet.ByteArray, parquet.FixedLenByteArray:
		if text := string(v.ByteArray()); utf8.ValidString(text) {
			return Cell{Kind: Text, Text: text}
		}
	}
	return Cell{Kind: Other}
}

// decimal writes a number so that it cannot be taken for a whole one: the
// column has others.
func decimal(x float64, bits int) string {
	s := strconv.FormatFloat(x, 'g', -1, bits)
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		s += ".0"
	}
	return s
}
