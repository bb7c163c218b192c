package experiments

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/probe"
	"github.com/lowrank/lowrank/nn/optim"
)

// Calibrations is the folder, beside that of the runs, which is their Cache.
const Calibrations = "calibrations"

// A Run is one training run of a setting, and the folder it is recorded in.
type Run struct {
	Setting *Setting
	Config  *Config
	Dir     string
	// Watch, if not nil, is called after every step.
	Watch func(step, steps int, loss float64)
	// Observe, if not nil, is called with the metrics of every step as they are
	// logged, before Watch.
	Observe func(rows []record.Metric)
	// Calibrating, if not nil, is called before every batch that a start is drawn
	// from, with how many there were and will be, and about how many bytes it holds.
	Calibrating func(batch, batches int, bytes int64)
	// Cache is a folder in which such calibrations are kept for runs that differ in
	// what they do not depend on; "": none is.
	Cache string
}

// Fingerprint identifies what the run computes, whatever it is called: equal
// fingerprints, equal results.
func (r *Run) Fingerprint() (string, error) {
	c := *r.Config
	c.Name = ""
	config, err := json.Marshal(&c)
	if err != nil {
		return "", err
	}
	return hash([]byte(r.Setting.Fingerprint), config), nil
}

// Finished returns the record of the run if its folder holds one that is
// complete (done or diverged) and computed the same.
func (r *Run) Finished() (*record.Run, bool) {
	rec, err := record.ReadRun(r.Dir)
	if err != nil || rec.Status != record.Done && rec.Status != record.Diverged {
		return nil, false
	}
	fp, err := r.Fingerprint()
	return rec, err == nil && rec.Fingerprint == fp
}

// Do trains the run, or what is left of it since its last checkpoint, and
// records it. A run that diverges is a result: its record says so and the
// error is nil. When ctx is done it saves a checkpoint and returns ctx.Err().
// A panic of a layer below ends the run, not the program.
func (r *Run) Do(ctx context.Context) (rec *record.Run, err error) {
	t := &training{Run: r}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: %v", filepath.Base(r.Dir), p)
		}
		if t.log != nil {
			err = errors.Join(err, t.log.Close())
		}
		if t.rec == nil || err == nil {
			return
		}
		t.rec.Status, t.rec.Error = record.Failed, err.Error()
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			t.rec.Status, t.rec.Error = record.Cancelled, ""
		}
		t.rec.Ended = time.Now()
		if werr := t.rec.Write(r.Dir); werr != nil {
			err = fmt.Errorf("%w; and not recorded: %w", err, werr)
		}
	}()
	if err := t.open(); err != nil {
		return nil, err
	}
	method, err := r.Config.Check()
	if err != nil {
		return nil, err
	}
	if err := t.build(ctx, method); err != nil {
		return nil, err
	}
	if err := t.resume(); err != nil {
		return nil, err
	}
	if err := t.loop(ctx); err != nil {
		return nil, err
	}
	return t.rec, t.close(ctx)
}

// A training is a run at work.
type training struct {
	*Run
	rec  *record.Run
	log  *record.Log
	rows []record.Metric // not yet logged

	set   *lora.Set
	train *graph
	eval  *graph
	opt   *optim.Optimizer
	plan  adapter.Plan
	probe *probe.Probe

	objective float64 // of the last step's batches before it, penalties and all

	step   int                      // steps taken
	spent  float64                  // seconds that they took
	tokens int64                    // that they were of, without padding
	times  []float64                // seconds of each step of this process
	still  map[*adapter.Factor]bool // trained factors that have had no gradient yet
}

// open starts the records.
func (t *training) open() error {
	config, err := json.Marshal(t.Config)
	if err != nil {
		return err
	}
	fp, err := t.Fingerprint()
	if err != nil {
		return err
	}
	machine := record.ThisMachine()
	machine.SIMD = kernels.Active().String()
	t.rec = &record.Run{
		ID: filepath.Base(t.Dir), Status: record.Running, LR: t.Config.Train.LR, Seed: t.Config.Train.Seed,
		Rank: t.Config.Rank, Alpha: t.Config.Alpha, Config: config, Fingerprint: fp,
		Method:   record.Method{Name: t.Config.Method.String()},
		Versions: record.Versions(), Machine: machine, Started: time.Now(), Eval: record.Eval{},
	}
	if old, err := record.ReadRun(t.Dir); err == nil && old.Fingerprint == fp {
		t.rec.Started = old.Started
	} else if err == nil {
		if err := os.RemoveAll(t.Dir); err != nil { // the remains of another run
			return err
		}
	}
	if err := t.rec.Write(t.Dir); err != nil {
		return err
	}
	if t.log, err = record.OpenLog(t.Dir); err != nil {
		return err
	}
	yaml, err := t.Config.YAML()
	if err != nil {
		return err
	}
	return writeBytes(filepath.Join(t.Dir, "config.yaml"), yaml)
}

// build makes the adapted model, its graphs, the optimizer and the schedule.
func (t *training) build(ctx context.Context, method lora.Method) (err error) {
	c := t.Config.Train
	t.rec.Method = describe(method)
	model := t.Setting.Base.Clone()
	if _, err := t.Setting.before(ctx, c.Batch, c.Tokens, t.Config.Eval.Batches); err != nil { // now, while there is no graph yet
		return err
	}
	options := t.Setting.options(t.Config)
	end, err := t.calibrate(model, method, &options)
	if err != nil {
		return err
	}
	t.set, err = lora.Inject(model, method, options)
	if wrong := end(); wrong != nil { // of which the other error speaks
		err = wrong
	}
	if err != nil {
		return err
	}
	if t.plan, err = t.set.Plan(c.Steps); err != nil {
		return err
	}
	open := t.Setting.feed.open
	if t.eval, err = newGraph(model, forwardOnly(open(c.Batch, c.Tokens)), 1); err != nil {
		return err
	}
	b := blockwise(open(c.Batch, c.Tokens), t.Config.Checkpoint.Blocks)
	b.input.Noise = &ag.Noise{Seed: c.Seed}
	b.input.Sparing = method.Router == nil // whose balance is of all tokens
	if c.GroupByLength {
		b.order.rows = b.rows
	}
	// In the same memory: nothing of a training pass is needed where an exam is taken.
	// Built last, since what routers say of their load at step 0 is of the last graph.
	if t.train, err = graphOn(t.eval.first.Instead(), model, b, c.Accumulate); err != nil {
		return err
	}
	t.opt = optim.New(method.Update.Transform(c.WeightDecay), t.set.Groups())
	if err := t.openProbe(); err != nil {
		return err
	}
	t.still = map[*adapter.Factor]bool{}
	for _, m := range t.set.Maps {
		for _, f := range m.Factors {
			if f.Trained {
				t.still[f] = true
			}
		}
		t.rec.Train.Targets = append(t.rec.Train.Targets, m.Name)
	}
	if err := record.WriteJSON(filepath.Join(t.Dir, "adapters.json"), Describe(t.set.Maps)); err != nil {
		return err
	}
	t.rec.Train.Adapters = len(t.set.Maps)
	t.rec.Train.TrainedParameters = int64(t.set.TrainedParameters())
	for _, p := range model.Params() {
		t.rec.Train.TotalParameters += int64(p.Size())
	}
	return t.rec.Write(t.Dir)
}

// close writes what a finished run leaves: the last losses, the adapter, the
// tables of metrics, and last of all the record.
func (t *training) close(ctx context.Context) error {
	c, r := t.Config.Train, t.rec
	before, err := t.Setting.before(ctx, c.Batch, c.Tokens, t.Config.Eval.Batches)
	if err != nil {
		return err
	}
	maps.Copy(r.Eval, before)
	if r.Status == record.Done {
		after, err := t.evaluate(ctx)
		if err != nil && ctx.Err() != nil { // it goes on with this
			return errors.Join(t.checkpoint(), ctx.Err())
		}
		if err != nil {
			return err
		}
		maps.Copy(r.Eval, after)
		if !finite(r.Eval["adapt_after"]) {
			r.Status, r.DivergedAt = record.Diverged, t.step
		}
	}
	if err := t.log.Add(t.flush()...); err != nil {
		return err
	}
	if err := t.log.Sync(); err != nil {
		return err
	}
	r.Train.Steps, r.Train.Tokens = t.step, t.tokens
	r.Train.Seconds = t.spent
	if n := len(t.times); n > 0 {
		slices.Sort(t.times)
		r.Train.StepMS = 1000 * t.times[n/2]
		r.Train.TokensPerSecond = float64(t.tokens) / t.spent
	}
	r.Undefined = t.undefined()
	r.Train.PeakRSSBytes = record.PeakRSS()
	r.Train.GraphBytes = int64(t.train.first.Bytes())
	if r.Status == record.Done {
		if err := t.writeAdapter(); err != nil {
			return err
		}
	}
	if err := record.WriteParquet(t.Dir, r.ID); err != nil {
		return err
	}
	r.Ended = time.Now()
	if err := record.WriteEvents(t.Dir, r.Started, r.Ended); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(t.Dir, checkpointFile)); err != nil {
		return err
	}
	return r.Write(t.Dir)
}

// describe names a method for the records.
func describe(m lora.Method) record.Method {
	r := m.PartRows()
	return record.Method{
		Name: m.Name, Paper: m.Paper, ArXiv: m.ArXiv, Axis: string(m.Axis),
		Parts: record.Parts{Delta: r.Delta, Init: r.Init, Update: r.Update, Rank: r.Rank, Router: r.Router},
	}
}

// writeBytes writes a file whole, making its folder.
func writeBytes(path string, contents []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return record.WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(contents)
		return err
	})
}
