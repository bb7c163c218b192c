package record

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/parquet-go/parquet-go"
)

const parquetName = "metrics.parquet"

// row is a row of metrics.parquet: a long table, so that tables of many runs
// can be put below each other and a new metric needs no new column.
type row struct {
	Run    string  `parquet:"run,dict,zstd"`
	Step   int64   `parquet:"step,delta,zstd"`
	Layer  string  `parquet:"layer,dict,zstd"` // the block
	Map    string  `parquet:"map,dict,zstd"`   // in the block
	Metric string  `parquet:"metric,dict,zstd"`
	Value  float64 `parquet:"value,zstd"`
}

// WriteParquet derives metrics.parquet from metrics.jsonl in the folder dir,
// whole or not at all: the columns run (the same in each row), step, layer,
// map, metric, value, where layer is the block, as model.layers.3, and map what
// is adapted there, as self_attn.q_proj. Aggregates have a * in the place of
// what they are over, and metrics of the model neither. A Parquet file cannot be appended to, so this is for the end
// of a run.
func WriteParquet(dir, run string) error {
	metrics, err := readLog(filepath.Join(dir, logName))
	if err != nil {
		return err
	}
	rows := make([]row, len(metrics))
	for i, m := range metrics {
		layer, of := place(m.Layer)
		rows[i] = row{run, int64(m.Step), layer, of, m.Name, m.Value}
	}
	return WriteFile(filepath.Join(dir, parquetName), func(w io.Writer) error {
		table := parquet.NewGenericWriter[row](w)
		if _, err := table.Write(rows); err != nil {
			return err
		}
		return table.Close()
	})
}

// readParquet reads a file of WriteParquet. The decoder panics on some damaged
// files; here that is an error like the others.
func readParquet(path string) (metrics []Metric, err error) {
	defer func() {
		if p := recover(); p != nil {
			metrics, err = nil, fmt.Errorf("%s: not a readable Parquet file: %v", path, p)
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
	file, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	table := parquet.NewGenericReader[row](file)
	defer table.Close()
	rows := make([]row, 1024)
	for {
		n, err := table.Read(rows)
		for _, r := range rows[:n] {
			metrics = append(metrics, Metric{int(r.Step), joined(r.Layer, r.Map), r.Metric, r.Value})
		}
		if errors.Is(err, io.EOF) {
			return metrics, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
}
