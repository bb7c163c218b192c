package step

import (
	"cmp"
	"fmt"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/optim"
)

// Everything stands beside the names of methods: all tensors of the model are
// trained, with no adapter.
const Everything = "everything"

// Of every training.
const (
	Rank  = 8
	Alpha = 16
	Rate  = 1e-4 // of learning
	Decay = 0.01 // PyTorch's default
	Clip  = 1.0  // most that the norm of all gradients may be
)

// A Training is a model on one batch, and what trains it.
type Training struct {
	Shape Shape
	Model nn.Model
	Set   *lora.Set // nil: Everything is trained

	tape *ag.Tape
	loss ag.Tensor
	opt  *optim.Optimizer
	plan adapter.Plan
	ran  bool // forward, for the step that comes
	step int

	counted int // labels that the loss counts

	watched watched
}

// New adapts a shape's model by a method on all linear maps inside the blocks,
// and builds its graph: the step that comes first has run forward.
func New(s Shape, method string, seed uint64) (*Training, error) {
	model, err := s.Model(seed)
	if err != nil {
		return nil, err
	}
	return Of(s, model, method, seed)
}

// Of is New for a model of the shape that is there already.
func Of(s Shape, model nn.Model, method string, seed uint64) (*Training, error) {
	t := &Training{Shape: s, Model: model, tape: ag.NewTape()}
	if err := t.adapt(method, seed); err != nil {
		return nil, err
	}
	var err error
	if guarded := ag.Guard(func() { err = t.build(seed) }); guarded != nil {
		return nil, guarded
	}
	return t, err
}

// adapt makes the optimizer of what the method trains.
func (t *Training) adapt(method string, seed uint64) error {
	if method == Everything {
		t.opt = optim.New(optim.AdamW(Decay), everything(t.Model))
		return nil
	}
	var err error
	if t.Set, err = inject(t.Model, method, cmp.Or(t.Shape.Rank, Rank), seed); err != nil {
		return err
	}
	t.opt = optim.New(t.Set.Method.Update.Transform(Decay), t.Set.Groups())
	t.plan, err = t.Set.Plan(planned)
	return err
}

// Inject adapts all linear maps inside a model's blocks.
func Inject(model nn.Model, method string, seed uint64) (*lora.Set, error) {
	return inject(model, method, Rank, seed)
}

func inject(model nn.Model, method string, rank int, seed uint64) (*lora.Set, error) {
	m, err := lora.Row(method)
	if err != nil {
		return nil, err
	}
	return lora.Inject(model, m, lora.Options{Rank: rank, Alpha: Alpha, Seed: seed, Exclude: outside(model)})
}

// Maps of BERT's heads, which all-linear selects.
const (
	pooler    = "bert.pooler.dense"
	transform = "cls.predictions.transform.dense"
)

func outside(model nn.Model) (heads lora.Targets) {
	for _, l := range model.Linears() {
		if l.Name == pooler || l.Name == transform {
			heads = append(heads, l.Name)
		}
	}
	return heads
}

// everything makes all tensors of a model trained.
func everything(model nn.Model) []*optim.Group {
	var groups []*optim.Group
	for _, p := range model.Params() {
		p.SetRequiresGrad(true)
		groups = append(groups, &optim.Group{Name: p.Name, Scaling: 1, Params: []*optim.Param{{Name: p.Name, Value: p.Variable}}})
	}
	return groups
}

func (t *Training) build(seed uint64) error {
	c, labels := t.Shape.context(seed, t.tape, t.Model.Task())
	for _, label := range labels {
		if label >= 0 {
			t.counted++
		}
	}
	c.Sparing = t.Set == nil || t.Set.Method.Router == nil
	loss, err := t.Model.Task().Loss(c, t.Model.Forward(c), nn.Labels{Classes: labels})
	if err != nil {
		return fmt.Errorf("step: %w", err)
	}
	terms, weights := []ag.Tensor{loss}, []float32{1}
	for _, l := range c.Losses {
		terms, weights = append(terms, l.Value), append(weights, l.Weight)
	}
	t.loss, t.ran = c.Run(ag.NewSum(weights, terms...)), true
	return nil
}

// context returns the batch on a tape, and the classes of the logits' rows.
func (s Shape) context(seed uint64, tape *ag.Tape, task nn.Task) (*nn.Context, []int32) {
	ids, labels := s.Data(seed, task)
	if task == nn.NextToken {
		labels = nn.Shift(labels, s.Tokens)
	}
	return &nn.Context{Tape: tape, Batch: s.Batch, Tokens: s.Tokens, IDs: ids, Checkpoint: s.Checkpoint}, labels
}

// Step trains on the batch once more and returns its loss before the update.
func (t *Training) Step() (float32, error) {
	loss, err := t.Gradients()
	if err == nil {
		err = t.Update()
	}
	return loss, err
}

// Gradients is the first part of a step: forward and backward.
func (t *Training) Gradients() (loss float32, err error) {
	if !t.ran {
		t.tape.Replay()
	}
	t.ran = false
	if err := t.tape.Backward(t.loss); err != nil {
		return 0, err
	}
	return ag.Floats(t.loss)[0], nil
}

// Update is the second part: what is trained changes.
func (t *Training) Update() error {
	t.step++
	norm, clipped := optim.ClipNorm(t.opt.Groups(), Clip)
	due := t.before(norm, clipped)
	if t.plan != nil {
		adapter.Step(t.plan, t.opt, t.step, Rate)
	} else {
		t.opt.Step(Rate)
	}
	err := t.after(due)
	t.opt.ZeroGrad()
	return err
}
