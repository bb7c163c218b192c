package data

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// readJSONL reads a file with one JSON object a line; empty lines are passed
// over.
func readJSONL(path string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseJSONL(path, f)
}

func parseJSONL(name string, r io.Reader) (*Table, error) {
	b := newBuilder(name)
	lines := bufio.NewReaderSize(r, 1<<16)
	for n := 1; ; n++ {
		line, err := readLine(lines)
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if text := bytes.TrimSpace(line); err == nil && len(text) > 0 {
			err = b.object(n, text)
		}
		if err == io.EOF {
			return &b.Table, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
}

// readLine returns the next line, or io.EOF when there is none.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLineBytes:
			return nil, fmt.Errorf("the line is longer than %d bytes", maxLineBytes)
		case err == bufio.ErrBufferFull:
		case err == io.EOF && len(line) > 0:
			return line, nil
		default:
			return line, err
		}
	}
}

// object adds the row that a line's object is. encoding/json bounds how deep
// it may nest.
func (b *builder) object(line int, text []byte) error {
	if text[0] != '{' {
		return errors.New(`must be one object a line, as {"text": "…"}`)
	}
	if !json.Valid(text) {
		var v json.RawMessage
		return syntaxError(text, json.Unmarshal(text, &v))
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if _, err := d.Token(); err != nil { // {
		return err
	}
	var cells []Cell
	seen := map[int]bool{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		i, err := b.column(name)
		if err != nil {
			return err
		}
		if seen[i] {
			return fmt.Errorf("the key %s comes twice", quoted(name))
		}
		seen[i] = true
		var v any
		if err := d.Decode(&v); err != nil {
			return err
		}
		if missing := i + 1 - len(cells); missing > 0 {
			cells = append(cells, make([]Cell, missing)...)
		}
		cells[i] = cellOf(v)
	}
	return b.add(line, cells)
}

// syntaxError says where in a line JSON ends to be JSON.
func syntaxError(text []byte, err error) error {
	var s *json.SyntaxError
	if errors.As(err, &s) {
		return fmt.Errorf("is not JSON at byte %d: %s", min(s.Offset, int64(len(text))), s.Error())
	}
	return errors.New("is not JSON")
}

func cellOf(v any) Cell {
	switch v := v.(type) {
	case nil:
		return Cell{}
	case string:
		return Cell{Kind: Text, Text: v}
	case json.Number:
		return Cell{Kind: Number, Text: v.String()}
	case bool:
		return Cell{Kind: Bool, Text: strconv.FormatBool(v)}
	case []any:
		c := Cell{Kind: List, List: make([]Cell, len(v))}
		for i, x := range v {
			c.List[i] = cellOf(x)
		}
		return c
	}
	return Cell{Kind: Other}
}
