package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
)

// A trace is how adapters were trained.
type trace struct {
	Optimizer json.RawMessage
	Order     string
	Losses    []float64 // before each step
	GradNorms []float64 `json:"grad_norms"` // of all gradients together
}

// An adamW is the optimizer of a trace: what it has besides is not computed
// here.
type adamW struct {
	Cls         string
	LR          float64
	Betas       [2]float64
	Eps         float64
	WeightDecay float64 `json:"weight_decay"`
}

func (t *trace) optimizer() (o adamW, err error) {
	d := json.NewDecoder(bytes.NewReader(t.Optimizer))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return o, fmt.Errorf("trace.json: optimizer: %w: %w", err, errors.ErrUnsupported)
	}
	if o.Cls != "AdamW" {
		return o, fmt.Errorf("trace.json: optimizer %q: %w", o.Cls, errors.ErrUnsupported)
	}
	return o, nil
}

// train trains the adapters of dir/start as a trace tells and compares losses
// and norms on the way, and the weights with those of dir/end.
func (ref *reference) train(dir string, r *rows) error {
	var t trace
	if err := readJSON(filepath.Join(dir, "trace.json"), &t); err != nil {
		return err
	}
	hyper, err := t.optimizer()
	if err != nil {
		return err
	}
	batches, err := readInputs(filepath.Join(dir, "batches.safetensors"))
	if err != nil {
		return err
	}
	n, err := batches.stacked()
	if err != nil {
		return fmt.Errorf("batches.safetensors: %w", err)
	}
	if order := fmt.Sprintf("step %% %d", n); t.Order != order {
		return fmt.Errorf("trace.json: order is %q: must be %q", t.Order, order)
	}
	m, set, err := ref.adapted(filepath.Join(dir, "start"))
	if err != nil {
		return err
	}
	f := &follower{model: m, set: set, batches: batches, n: n}
	if err := f.follow(hyper, len(t.Losses)); err != nil {
		return err
	}
	r.near("losses", f.losses, float32s(t.Losses), Losses)
	r.near("gradient norms", f.norms, float32s(t.GradNorms), Losses)
	return f.compareEnd(r, dir)
}

func float32s(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}
