package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Format is the version of run.json that this package writes and reads.
const Format = 1

// maxRunBytes bounds run.json: a real one has a few kilobytes.
const maxRunBytes = 16 << 20

// Status says how far a run has come.
type Status string

const (
	Running   Status = "running"   // at work, or cut off before it could say more
	Done      Status = "done"      // every step taken, every file written
	Diverged  Status = "diverged"  // the loss became NaN or Inf at step DivergedAt
	Failed    Status = "failed"    // Error says why
	Cancelled Status = "cancelled" // stopped by the user; can be continued
)

// Run is run.json: one training run, in the same form for every method.
type Run struct {
	Format      int               `json:"format"` // set by Write
	ID          string            `json:"id"`     // the folder's name, as "pissa_lr1e-3_seed1"
	Status      Status            `json:"status"`
	Error       string            `json:"error,omitempty"`
	DivergedAt  int               `json:"diverged_at,omitempty"` // step, counted from 1
	Method      Method            `json:"method"`
	LR          float64           `json:"lr"`
	Seed        uint64            `json:"seed"`
	Rank        int               `json:"rank"`
	Alpha       float64           `json:"alpha"`
	Config      json.RawMessage   `json:"config"`      // the resolved configuration
	Fingerprint string            `json:"fingerprint"` // hash of configuration and base model: equal for runs that would repeat each other
	Versions    map[string]string `json:"versions"`
	Machine     Machine           `json:"machine"`
	Started     time.Time         `json:"started"`
	Ended       time.Time         `json:"ended,omitzero"`
	Train       Train             `json:"train"`
	Eval        Eval              `json:"eval"`
	Undefined   []Undefined       `json:"undefined,omitempty"` // metrics that were asked for and never had
}

// Undefined is why a metric has no value, and of how many adapters; 0: it is the
// model's.
type Undefined struct {
	Metric string `json:"metric"`
	Why    string `json:"why"`
	Maps   int    `json:"maps"`
}

// Method names the adaptation method of a run and where it was published.
type Method struct {
	Name  string `json:"name"`
	Paper string `json:"paper"`
	ArXiv string `json:"arxiv"`
	Axis  string `json:"axis"` // the kind of method: what it changes about LoRA
	Parts Parts  `json:"parts"`
}

// Parts names, for each part of a method, the row of the table it comes from.
type Parts struct {
	Delta  string `json:"delta"`
	Init   string `json:"init"`
	Update string `json:"update"`
	Rank   string `json:"rank"`
	Router string `json:"router"`
}

// Train is the size and the cost of a run.
type Train struct {
	Steps int `json:"steps"`
	// CalibrationBatches is how many batches the start was drawn from, besides the
	// steps: in a comparison each counts as one.
	CalibrationBatches int `json:"calibration_batches,omitempty"`

	Tokens            int64    `json:"tokens"` // of the inputs of all steps, without padding
	Seconds           float64  `json:"seconds"`
	StepMS            float64  `json:"step_ms"` // median, in milliseconds
	TokensPerSecond   float64  `json:"tokens_per_second"`
	TrainedParameters int64    `json:"trained_parameters"`
	TotalParameters   int64    `json:"total_parameters"`
	Adapters          int      `json:"adapters"`
	Targets           []string `json:"targets"`
	PeakRSSBytes      int64    `json:"peak_rss_bytes"`
	AdapterBytes      int64    `json:"adapter_bytes"` // of adapter_model.safetensors
	GraphBytes        int64    `json:"graph_bytes"`   // of the values and gradients that a training step holds, weights and optimizer apart
}

// Eval holds mean held-out losses: "adapt_before", "adapt_after", "adapt_best" on
// the data adapted to, "base_before" and "base_after" on the text that a base
// model of the study was trained on; in nats a token, of a classifier in nats a
// label, of a regression the mean square of the errors. Beside them stand, each
// with _before and _after: "perplexity" of language models on data of one's own,
// "accuracy" and "macro_f1" of classifiers, "mse" and "pearson" of regressions.
// A number may be NaN or infinite: in JSON it is then the string "NaN", "+Inf" or "-Inf".
type Eval map[string]float64

func (e Eval) MarshalJSON() ([]byte, error) {
	numbers := make(map[string]number, len(e))
	for name, v := range e {
		numbers[name] = number(v)
	}
	return json.Marshal(numbers)
}

func (e *Eval) UnmarshalJSON(data []byte) error {
	var numbers map[string]number
	if err := json.Unmarshal(data, &numbers); err != nil {
		return err
	}
	*e = make(Eval, len(numbers))
	for name, v := range numbers {
		(*e)[name] = float64(v)
	}
	return nil
}

// Write writes run.json into the folder dir, whole or not at all.
func (r *Run) Write(dir string) error {
	r.Format = Format
	return WriteJSON(filepath.Join(dir, "run.json"), r)
}

// ReadRun reads run.json of the folder dir. It refuses another format and an
// unknown status.
func ReadRun(dir string) (*Run, error) {
	path := filepath.Join(dir, "run.json")
	info, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: there is no run here: %w", path, fs.ErrNotExist)
		}
		return nil, err
	}
	if info.IsDir() || info.Size() > maxRunBytes {
		return nil, fmt.Errorf("%s: not a file of at most %d bytes", path, maxRunBytes)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var head struct{ Format *int }
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if head.Format == nil {
		return nil, fmt.Errorf("%s: format is missing, want %d", path, Format)
	}
	if *head.Format != Format {
		return nil, fmt.Errorf("%s: format is %d, want %d: written by another version of lowrank", path, *head.Format, Format)
	}
	r := new(Run)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	known := []Status{Running, Done, Diverged, Failed, Cancelled}
	if !slices.Contains(known, r.Status) {
		return nil, fmt.Errorf("%s: status is %q, want one of %q", path, r.Status, known)
	}
	return r, nil
}

// ReadRuns reads the runs in the folders of root, in the order of the folders'
// names. A folder that holds no readable run gives an error in errs, and the
// other runs are read nevertheless; err says that root itself is not readable.
// Folders whose name starts with a dot are passed over.
func ReadRuns(root string) (runs []*Run, errs []error, err error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		r, err := ReadRun(filepath.Join(root, e.Name()))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		runs = append(runs, r)
	}
	return runs, errs, nil
}
