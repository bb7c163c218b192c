package record

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// Metric is one observation of a run.
type Metric struct {
	Step  int     // 0 before the first step
	Layer string  // the adapter's name, a pattern of such names for an aggregate, "" for the model
	Name  string  // what was observed, as "train_loss"
	Value float64 // NaN and infinities are values like others
}

// Aggregate reports whether the metric is of several adapters together: Layer is
// then a pattern of their names.
func (m Metric) Aggregate() bool { return strings.Contains(m.Layer, "*") }

// line is the form of a Metric in metrics.jsonl.
type line struct {
	Step  int    `json:"step"`
	Layer string `json:"layer,omitempty"`
	Name  string `json:"name"`
	Value number `json:"value"`
}

// ReadMetrics reads the metrics of the run in dir, in the order in which they
// were observed: from metrics.parquet if it is there, else from metrics.jsonl,
// of which a torn last line is ignored.
func ReadMetrics(dir string) ([]Metric, error) {
	_, err := os.Stat(filepath.Join(dir, parquetName))
	if errors.Is(err, fs.ErrNotExist) {
		return readLog(filepath.Join(dir, logName))
	}
	return readParquet(filepath.Join(dir, parquetName))
}

// Number is the number that a record has in JSON.
type Number = number

// number is a float64 that survives JSON: where JSON has no number for it, it
// is the string "NaN", "+Inf" or "-Inf".
type number float64

func (x number) MarshalJSON() ([]byte, error) {
	switch v := float64(x); {
	case math.IsNaN(v):
		return []byte(`"NaN"`), nil
	case math.IsInf(v, 1):
		return []byte(`"+Inf"`), nil
	case math.IsInf(v, -1):
		return []byte(`"-Inf"`), nil
	default:
		return json.Marshal(v)
	}
}

func (x *number) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case `"NaN"`:
		*x = number(math.NaN())
	case `"+Inf"`:
		*x = number(math.Inf(1))
	case `"-Inf"`:
		*x = number(math.Inf(-1))
	case "null": // the package json's own rule is to leave the value as it is
		return errors.New("null is no number")
	default:
		return json.Unmarshal(data, (*float64)(x))
	}
	return nil
}
