package experiments

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/probe"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// checkpointFile holds all that a run needs to go on bit for bit as if it had
// not been cut off: the factors, what the optimizer, the schedule and the probe remember,
// and the numbers of a progress. Data and learning rate follow from the step.
// It is one file, so that it is whole or not there.
const checkpointFile = "checkpoint.safetensors"

// progress is the part of a checkpoint that is no tensor.
type progress struct {
	Step    int         `json:"step"`
	Updates int         `json:"updates"`
	Seconds float64     `json:"seconds"`
	Tokens  int64       `json:"tokens"`
	Eval    record.Eval `json:"eval"`

	Probe map[string]uint64 `json:"probe,omitempty"` // what the instruments remember
}

// checkpoint saves the run as it stands after a step.
func (t *training) checkpoint() error {
	if err := t.log.Sync(); err != nil {
		return err
	}
	var tensors []pretrained.Tensor
	add := func(prefix, name string, v []float32) {
		tensors = append(tensors, pretrained.Tensor{Name: prefix + name, Shape: []int{len(v)}, Data: v})
	}
	for name, v := range t.set.State() {
		add("adapter/", name, v)
	}
	updates, buffers := t.opt.Save()
	for name, v := range buffers {
		add("optimizer/", name, v)
	}
	for _, b := range t.plan.Buffers() {
		add("schedule/", b.Name, b.Values)
	}
	var probed probe.State
	if t.probe != nil {
		probed = t.probe.State()
	}
	for name, v := range probed.Tensors {
		add("probe/", name, v)
	}
	p, err := json.Marshal(progress{t.step, updates, t.spent, t.tokens, t.rec.Eval, probed.Numbers})
	if err != nil {
		return err
	}
	return record.WriteFile(filepath.Join(t.Dir, checkpointFile), func(w io.Writer) error {
		return pretrained.WriteSafetensors(w, tensors, map[string]string{"fingerprint": t.rec.Fingerprint, "progress": string(p)})
	})
}

// nothing is the step after which all rows are, those of before the first step
// among them.
const nothing = -1

// resume goes back to the last checkpoint of this run; without one it starts
// from nothing.
func (t *training) resume() error {
	path := filepath.Join(t.Dir, checkpointFile)
	c, err := pretrained.ReadSafetensors(path)
	if errors.Is(err, fs.ErrNotExist) {
		return t.log.TruncateAfter(nothing)
	}
	if err != nil {
		return err
	}
	if c.Metadata["fingerprint"] != t.rec.Fingerprint { // of another configuration: of no use
		return errors.Join(os.Remove(path), t.log.TruncateAfter(nothing))
	}
	var p progress
	if err := json.Unmarshal([]byte(c.Metadata["progress"]), &p); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	optimizer := map[string][]float32{}
	saved := map[string][]float32{}
	probed := probe.State{Numbers: p.Probe, Tensors: map[string][]float32{}}
	state := lora.State{}
	for _, name := range c.Names() {
		tensor, err := c.Tensor(name)
		if err != nil {
			return err
		}
		if rest, ok := strings.CutPrefix(name, "optimizer/"); ok {
			optimizer[rest] = tensor.Data
		} else if rest, ok := strings.CutPrefix(name, "probe/"); ok {
			probed.Tensors[rest] = tensor.Data
		} else if rest, ok := strings.CutPrefix(name, "adapter/"); ok {
			state[rest] = tensor.Data
		} else {
			saved[name] = tensor.Data
		}
	}
	restore := func(name string, v []float32) error {
		if len(saved[name]) != len(v) {
			return fmt.Errorf("%s: %s has %d values, want %d", path, name, len(saved[name]), len(v))
		}
		copy(v, saved[name])
		return nil
	}
	if err := t.set.Restore(state); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, b := range t.plan.Buffers() {
		if err := restore("schedule/"+b.Name, b.Values); err != nil {
			return err
		}
	}
	if err := t.opt.Load(p.Updates, optimizer); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if t.probe != nil {
		t.probe.Restore(probed)
	}
	t.step, t.spent, t.tokens, t.rec.Eval = p.Step, p.Seconds, p.Tokens, p.Eval
	return t.log.TruncateAfter(p.Step)
}
