package loratest

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/rank"
	"github.com/lowrank/lowrank/nn/llama"
	"github.com/lowrank/lowrank/nn/optim"
)

const (
	allSteps = 6
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
	r, err := build(model)
	if err != nil {
		return nil, err
	}
	return s.trainerOf(r, set)
}

func (s *suite) trainerOf(r *run, set *lora.Set) (*trainer, error) {
	plan, err := set.Method.Rank.Plan(set.Maps, allSteps)
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
		t.plan.Before(step)
		t.opt.Step(rate)
		t.plan.After(step)
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
	if t.plan, err = (rank.None{}).Plan(set.Maps, allSteps); err != nil {
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

// files: the files of a model in training give, read on a new base, the same
// files and the same model.
func (s *suite) files() error {
	model, set, err := s.inject()
	if err != nil {
		return err
	}
	t, err := s.train(model, set)
	if err != nil {
		return err
	}
	if err := t.steps(1, 2); err != nil {
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
	return nil
}

// resume: a run that is taken up after two steps ends as one that was not.
func (s *suite) resume() error {
	model, set, err := s.inject()
	if err != nil {
		return err
	}
	whole, err := s.train(model, set)
	if err != nil {
		return err
	}
	if err := whole.steps(1, 2); err != nil {
		return err
	}
	step, buffers := whole.opt.Save()
	var ranks [][]float32
	for _, b := range whole.plan.Buffers() {
		ranks = append(ranks, slices.Clone(b.Values))
	}

	fresh := base()
	opt := lora.Options{Rank: s.rank, Alpha: s.alpha(), Seed: seed, State: set.State()}
	again, err := lora.Inject(fresh, s.method, opt)
	if err != nil {
		return err
	}
	second, err := s.train(fresh, again)
	if err != nil {
		return err
	}
	if err := second.opt.Load(step, buffers); err != nil {
		return err
	}
	for i, b := range second.plan.Buffers() {
		copy(b.Values, ranks[i])
	}
	for _, t := range []*trainer{whole, second} {
		if err := t.steps(3, allSteps); err != nil {
			return err
		}
	}
	want := set.State()
	for name, x := range again.State() {
		if err := equal(name, x, want[name]); err != nil {
			return err
		}
	}
	return equal("loss", ag.Floats(second.loss), ag.Floats(whole.loss))
}
