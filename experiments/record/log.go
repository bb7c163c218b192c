package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const logName = "metrics.jsonl"

// Log is metrics.jsonl of a run that is at work: rows are appended, one JSON
// object a line, and can be read at any time. It is not for use by several
// goroutines at once.
type Log struct {
	file *os.File
	size int64 // bytes of whole lines
}

// OpenLog opens the log in the folder dir, making both if they are missing. If
// the log was cut off in the middle of a line, that line is removed. Rows that
// follow make a metrics.parquet in dir stale: it is removed too.
func OpenLog(dir string) (*Log, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	if err := os.Remove(filepath.Join(dir, parquetName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return openLog(filepath.Join(dir, logName))
}

func openLog(path string) (*Log, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	size, err := wholeLines(f)
	if err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Log{file: f, size: size}, nil
}

// wholeLines counts the bytes of f up to and with the last newline.
func wholeLines(f *os.File) (int64, error) {
	var read, size int64
	buf := make([]byte, 1<<16)
	for {
		n, err := f.Read(buf)
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			size = read + int64(i) + 1
		}
		read += int64(n)
		if err == io.EOF {
			return size, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// Add appends rows. After an error, as on a full disk, the log holds none of
// them.
func (l *Log) Add(rows ...Metric) error {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf) // ends each value with a newline
	for _, m := range rows {
		if err := encoder.Encode(line{m.Step, m.Layer, m.Name, number(m.Value)}); err != nil {
			return fmt.Errorf("%s: %w", l.file.Name(), err)
		}
	}
	if _, err := l.file.WriteAt(buf.Bytes(), l.size); err != nil {
		return errors.Join(err, l.file.Truncate(l.size))
	}
	l.size += int64(buf.Len())
	return nil
}

// TruncateAfter removes the rows of later steps than step, whole or not at all:
// a run continued from a checkpoint of step observes them again.
func (l *Log) TruncateAfter(step int) error {
	path := l.file.Name()
	rows, err := readLog(path)
	if err != nil {
		return err
	}
	var kept []Metric
	for _, m := range rows {
		if m.Step <= step {
			kept = append(kept, m)
		}
	}
	if len(kept) == len(rows) {
		return nil
	}
	if err := l.file.Close(); err != nil {
		return err
	}
	err = WriteFile(path, func(w io.Writer) error {
		encoder := json.NewEncoder(w)
		for _, m := range kept {
			if err := encoder.Encode(line{m.Step, m.Layer, m.Name, number(m.Value)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	opened, err := openLog(path)
	if err != nil {
		return err
	}
	*l = *opened
	return nil
}

// Sync makes the rows added so far durable.
func (l *Log) Sync() error { return l.file.Sync() }

// Close makes the rows durable and closes the log.
func (l *Log) Close() error { return errors.Join(l.file.Sync(), l.file.Close()) }

// readLog reads the rows of a log, but for a torn last line.
func readLog(path string) ([]Metric, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var rows []Metric
	for r, n := bufio.NewReaderSize(f, 1<<16), 1; ; n++ {
		text, err := r.ReadBytes('\n')
		if err == io.EOF {
			return rows, nil // text, if any, is a torn line
		}
		if err != nil {
			return nil, err
		}
		var m line
		if err := json.Unmarshal(text, &m); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		rows = append(rows, Metric{m.Step, m.Layer, m.Name, float64(m.Value)})
	}
}
