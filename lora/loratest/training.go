package loratest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/rank"
	"github.com/lowrank/lowrank/nn/llama"
	"github.com/lowrank/lowrank/nn/optim"
)

const (
	allSteps = 9
	taken    = 5 // before a run is taken up again
	decay    = 0.01
	rate     = 1e-2
)

// A trainer is a run with what trains it.
type trainer struct {
	*run
	set  *lora.Set
	opt  *optim.Optimizer
	plan adapter.Plan
}

func (s *suite) train(model *llama.Model, set *lora.Set) (*trainer, error) {
	return s.trainWith(model, set, false)
}

// trainWith is train with the blocks' activations kept, or computed again.
func (s *suite) trainWith(model *llama.Model, set *lora.Set, checkpoint bool) (*trainer, error) {
	plan, err := set.Plan(allSteps)
	if err != nil {
		return nil, err
	}
	r, err := buildWith(model, checkpoint)
	if err != nil {
		return nil, err
	}
	return &trainer{r, set, optim.New(set.Method.Update.Transform(decay), set.Groups()), plan}, nil
}

// steps trains from the step first to the step last, both counted from 1.
func (t *trainer) steps(first, last int) error {
	for step := first; step <= last; step++ {
		t.opt.ZeroGrad()
		t.Replay()
		if err := t.Backward(t.loss); err != nil {
			return err
		}
		adapter.Step(t.plan, t.opt, step, rate)
	}
	return nil
}

// steps: the update rule moves what is trained, and nothing else; what a
// schedule masks may come to rest where it started.
func (s *suite) steps() error {
	model, set, err := s.inject()
	if err != nil {
		return err
	}
	before := set.State()
	t, err := s.train(model, set)
	if err != nil {
		return err
	}
	if t.plan, err = (rank.None{}).Plan(set.Maps, allSteps, nil); err != nil {
		return err
	}
	if err := t.steps(1, 3); err != nil {
		return err
	}
	after := set.State()
	for _, m := range set.Maps {
		for _, f := range m.Factors {
			name := m.Name + "." + f.Name
			if moved := !slices.Equal(before[name], after[name]); moved != f.Trained {
				return fmt.Errorf("%s: trained is %t, but three steps left it moved: %t", name, f.Trained, moved)
			}
		}
	}
	return untouched(model)
}

// files: the files of a model at the end of training, when schedules have done
// all that they do, give, read on a new base, the same files and the same model;
// the merged model is the same too, and within the stated rank.
func (s *suite) files() error {
	model, set, err := s.inject()
	if err != nil {
		return err
	}
	t, err := s.train(model, set)
	if err != nil {
		return err
	}
	if err := t.steps(1, allSteps); err != nil {
		return err
	}
	want, err := logits(model)
	if err != nil {
		return err
	}
	config, weights, err := set.Files()
	if err != nil {
		return err
	}
	fresh := base()
	read, err := lora.Load(fresh, config, weights)
	if err != nil {
		return err
	}
	got, err := logits(fresh)
	if err != nil {
		return err
	}
	if err := closeTo(got, want); err != nil {
		return err
	}
	config2, weights2, err := read.Files()
	if err != nil {
		return err
	}
	if !bytes.Equal(config, config2) {
		return fmt.Errorf("the configuration %s is read back as %s", config, config2)
	}
	if !bytes.Equal(weights, weights2) {
		return fmt.Errorf("the weights are not read back bit for bit")
	}
	if s.method.Router != nil {
		return nil
	}
	if err := bounded(set); err != nil {
		return err
	}
	if err := set.Merge(); err != nil {
		return err
	}
	if got, err = logits(model); err == nil {
		err = closeTo(got, want)
	}
	return err
}

// resume: a run that is taken up on the way ends as one that was not, in a new
// process as in one that had begun it.
func (s *suite) resume() error {
	model, set, err := s.inject()
	if err != nil {
		return err
	}
	whole, err := s.train(model, set)
	if err != nil {
		return err
	}
	if err := whole.steps(1, taken); err != nil {
		return err
	}
	step, buffers := whole.opt.Save()
	var ranks [][]float32
	for _, b := range whole.plan.Buffers() {
		ranks = append(ranks, slices.Clone(b.Values))
	}

	state := set.State()
	opt := lora.Options{Rank: s.rank, Alpha: s.alpha(), Seed: seed, State: state}
	anew := base()
	fromState, err := lora.Inject(anew, s.method, opt)
	if err != nil {
		return err
	}
	started, fromStart, err := s.inject() // in which the state comes last, as graphs are there
	if err != nil {
		return err
	}
	if err := whole.steps(taken+1, allSteps); err != nil {
		return err
	}
	want := set.State()
	for _, c := range []struct {
		model *llama.Model
		set   *lora.Set
	}{{anew, fromState}, {started, fromStart}} {
		t, err := s.train(c.model, c.set)
		if err != nil {
			return err
		}
		if c.set == fromStart {
			if err := c.set.Restore(state); err != nil {
				return err
			}
		}
		if err := t.opt.Load(step, buffers); err != nil {
			return err
		}
		for i, b := range t.plan.Buffers() {
			copy(b.Values, ranks[i])
		}
		if err := t.steps(taken+1, allSteps); err != nil {
			return err
		}
		have := c.set.State()
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if err := equal(name, have[name], want[name]); err != nil {
				return err
			}
		}
		if err := equal("loss", ag.Floats(t.loss), ag.Floats(whole.loss)); err != nil {
			return err
		}
	}
	return nil
}
