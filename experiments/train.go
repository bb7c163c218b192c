package experiments

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn/optim"
)

// loop takes the steps that are left.
func (t *training) loop(ctx context.Context) error {
	c := t.Config.Train
	schedule := optim.Schedule{Kind: c.Schedule, Warmup: c.Warmup, Floor: c.MinLR, Steps: c.Steps}
	if t.step == 0 {
		if err := t.observe(t.Config.due(0)); err != nil {
			return err
		}
	}
	for t.step < c.Steps {
		if ctx.Err() != nil {
			if err := t.checkpoint(); err != nil {
				return err
			}
			return ctx.Err()
		}
		began := time.Now()
		t.step++
		lr := schedule.LR(t.step, c.LR)
		loss, err := t.gradients()
		if err != nil {
			return err
		}
		norm, clipped := optim.ClipNorm(t.opt.Groups(), c.Clip)
		t.add("train_loss", loss)
		t.add("lr", lr)
		t.add("grad_norm", norm)
		t.add("clip_fraction", map[bool]float64{true: 1}[clipped])
		if !finite(loss) || !finite(norm) {
			t.rec.Status, t.rec.DivergedAt = record.Diverged, t.step
			return nil
		}
		if err := t.reached(); err != nil {
			return err
		}
		due := t.Config.due(t.step)
		t.beforeStep(due, norm, clipped)
		adapter.Step(t.plan, t.opt, t.step, lr)
		seconds := time.Since(began).Seconds()
		t.times, t.spent = append(t.times, seconds), t.spent+seconds
		if err := t.observe(due); err != nil {
			return err
		}
		t.opt.ZeroGrad()
		if every := t.Config.Eval.Every; every > 0 && t.step%every == 0 && t.step < c.Steps {
			if _, err := t.evaluate(ctx); err != nil {
				return err
			}
		}
		rows := t.flush()
		if err := t.log.Add(rows...); err != nil {
			return err
		}
		if t.Observe != nil {
			t.Observe(rows)
		}
		if every := t.Config.Checkpoint.Every; every > 0 && t.step%every == 0 && t.step < c.Steps {
			if err := t.checkpoint(); err != nil {
				return err
			}
		}
		if t.Watch != nil {
			t.Watch(t.step, c.Steps, loss)
		}
	}
	t.rec.Status = record.Done
	return nil
}

// gradients accumulates those of one step and returns its mean loss a label,
// the penalties of layers left out.
func (t *training) gradients() (float64, error) {
	loss, penalties, tokens, err := t.passes(t.train.backward)
	if err != nil {
		return 0, err
	}
	t.tokens += int64(tokens)
	t.objective = loss + t.train.weigh(penalties)
	byName := map[string]float64{}
	for i, l := range t.train.extra {
		byName[l.Name] += penalties[i]
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		t.add(name, byName[name])
	}
	return loss, nil
}

// passes runs the step's batches forward, after each of them then, and returns
// the mean loss of a label, the mean penalties and how many tokens there are.
func (t *training) passes(then func() error) (loss float64, penalties []float64, tokens int, err error) {
	c, feed := t.Config.Train, &t.Setting.feed
	first, labels := (t.step-1)*c.Accumulate, 0
	for pass := range c.Accumulate {
		labels += feed.count(t.train.batch, c.Seed, trainStream, first+pass)
	}
	t.train.share(labels)
	var sum float64
	penalties = make([]float64, len(t.train.extra))
	noise := t.train.input.Noise
	defer noise.Rest() // what the instruments replay has none
	for pass := range c.Accumulate {
		noise.Make(uint32(first + pass))
		if err := feed.draw(t.train.batch, c.Seed, trainStream, first+pass); err != nil {
			return 0, nil, 0, err
		}
		loss, err := t.train.forward()
		if err != nil {
			return 0, nil, 0, err
		}
		sum += loss
		tokens += t.train.tokens()
		if err := then(); err != nil {
			return 0, nil, 0, err
		}
		for i, l := range t.train.extra {
			penalties[i] += float64(ag.Floats(l.Value)[0]) / float64(c.Accumulate)
		}
	}
	return sum / float64(max(labels, 1)), penalties, tokens, nil
}

// evaluate takes all exams, records them and returns what came out. Of those
// that ctx cuts off nothing is recorded: they are taken anew.
func (t *training) evaluate(ctx context.Context) (record.Eval, error) {
	after := record.Eval{}
	for i, e := range t.Setting.feed.exams {
		s, err := t.eval.evaluate(ctx, e, t.Config.Eval.Batches)
		if err != nil {
			return nil, err
		}
		for _, m := range e.measures(s) {
			t.add("eval_"+m.name, m.value)
		}
		for _, m := range e.results(s) {
			after[m.name+"_after"] = m.value
		}
		if best, ok := t.rec.Eval["adapt_best"]; i == 0 && (!ok || s.mean() < best) {
			t.rec.Eval["adapt_best"] = s.mean()
		}
	}
	return after, nil
}

// reachedBy is the step by which every trained factor must have had a
// gradient: one that multiplies a zero factor gets it a step later than that,
// which in turn may wait for another.
const reachedBy = 3

// reached checks that training reaches every factor that is declared trained:
// a composition with two zero factors in a product would stand still in
// silence. What a schedule begins anew before that has zero factors again.
func (t *training) reached() error {
	if t.step > reachedBy || t.plan.Phase(t.step) > 1 {
		return nil
	}
	var still []string
	for _, m := range t.set.Maps {
		for _, f := range m.Factors {
			if t.still[f] && !slices.ContainsFunc(f.GradFloats(), func(g float32) bool { return g != 0 }) {
				still = append(still, m.Name+"."+f.Name)
			} else {
				delete(t.still, f)
			}
		}
	}
	if t.step == reachedBy && len(still) > 0 {
		return fmt.Errorf("by step %d these trained factors have had no gradient: %s", t.step, strings.Join(still, ", "))
	}
	return nil
}

func (t *training) add(name string, v float64) {
	t.rows = append(t.rows, record.Metric{Step: t.step, Name: name, Value: v})
}

// flush returns the rows of the step, which the log then holds.
func (t *training) flush() []record.Metric {
	rows := t.rows
	t.rows = t.rows[:0]
	return rows
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
