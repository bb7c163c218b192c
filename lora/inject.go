package lora

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/optim"
)

// Options say how a method is injected.
type Options struct {
	Targets Targets
	Exclude Targets // of what Targets selects; none where empty
	// Blocks, where there are any, are the numbers of the blocks in which Targets
	// selects, by the first number in a map's name or, with BlocksIn, by the one
	// after a component that matches one of these regular expressions (PEFT's
	// layers_to_transform and layers_pattern).
	Blocks   []int
	BlocksIn []string
	Save     []string // modules that are trained whole beside the adapters, by the end of their names
	Bias     Biases
	Rank     int
	Alpha    float64 // s = Alpha/Rank, unless the delta says otherwise
	// RankPattern and AlphaPattern give other values to the maps whose name
	// ends in a key, a regular expression, as PEFT's rank_pattern does. A key
	// that matches no adapted map is an error.
	RankPattern  map[string]int
	AlphaPattern map[string]float64
	// Dropout is the probability that an entry of x is dropped before the low-rank
	// term of a map, W0·x + s·B·A·drop(x) (arXiv 2106.09685, PEFT's lora_dropout), in
	// graphs whose context has noise. It needs a method whose update is a product of
	// factors. With a gain (DoRA) it is Gain∘(W0·x + s·B·A·drop(x)).
	Dropout float64
	Seed    uint64 // of every random draw
	// Gradient returns the gradient of a map's full weight, out×in, for
	// methods that need FullGradient: [Gradients.Of] what [Method.Calibrate]
	// returned.
	Gradient func(m *adapter.Map) []float32
	// Moments returns what calibration saw of a map, for methods that need
	// Activations or OutputGradients: [Moments.Of] what [CalibrateMoments]
	// returned.
	Moments func(m *adapter.Map) *adapter.Moments
	// Started, if not nil, is called as soon as the start of a map is made: neither
	// Gradient nor Moments is asked about the map again, so that what they have of
	// it may go ([Gradients.Free]). It is not called for embeddings.
	Started func(m *adapter.Map)
	// Dry leaves all factors A and B at zero and needs no calibration: the set
	// shows what would be adapted, and that it can be.
	Dry bool
	// State, when there is one, is where the values come from, instead of the
	// initializer: that of an earlier Set of the same shape.
	State State
}

// A Set is a model's adapters.
type Set struct {
	Method  Method
	Options Options
	Maps    []*adapter.Map // in the order of the model's linear maps
	Wholes  []*Whole       // what is trained besides, in the order of the model's tensors

	model   nn.Model
	given   Options  // before ranks were allocated
	trained []bool   // whether each of the model's tensors was, before
	merged  []kept   // what Merge replaced; nil: not merged
	hash    string   // of the base, once it was asked for
	grown   []growth // what the model has grown by for this set
}

// Inject adapts the selected linear maps of a model and freezes the model's
// own tensors; a head that is to be trained is to be unfrozen afterwards. The
// number of adapted maps is len(Maps). Nothing is changed on an error.
func Inject(model nn.Model, method Method, opt Options) (*Set, error) {
	if err := method.Check(); err != nil {
		return nil, err
	}
	makes := opt.State == nil && !opt.Dry // a start
	if makes && opt.Gradient == nil && method.Needs(adapter.FullGradient) {
		return nil, fmt.Errorf("lora: method %s needs %s: calibrate first", method.Name, adapter.FullGradient)
	}
	for _, c := range []adapter.Capability{adapter.OutputGradients, adapter.Activations} {
		if makes && opt.Moments == nil && method.Needs(c) {
			return nil, fmt.Errorf("lora: method %s needs %s: run CalibrateMoments first", method.Name, c)
		}
	}
	linears := model.Linears()
	selected, err := opt.Select(linears)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(checkPattern("rank", opt.RankPattern, selected), checkPattern("alpha", opt.AlphaPattern, selected)); err != nil {
		return nil, err
	}
	layers := 0
	for _, l := range linears {
		layers = max(layers, layerOf(l.Name)+1)
	}
	s := &Set{Method: method, Options: opt, given: opt, model: model}
	for _, l := range selected {
		m, err := s.adapt(l, layers)
		if err != nil {
			return nil, err
		}
		s.Maps = append(s.Maps, m)
	}
	in := adapter.Inputs{Rand: s.stream, Gradient: opt.Gradient, Moments: opt.Moments}
	if err := s.allocate(in); err != nil {
		return nil, err
	}
	if s.Wholes, err = opt.wholes(model, s.Maps); err != nil {
		return nil, err
	}
	if err := s.start(in); err != nil {
		return nil, err
	}
	for _, o := range []*Options{&s.Options, &s.given} { // a set outlives what its start was made from
		o.Gradient, o.Moments, o.Started = nil, nil, nil
	}
	if err := s.checkDropout(); err != nil {
		return nil, err
	}
	s.attach()
	return s, nil
}

// attach puts the adapters into the model's forward pass and freezes its own
// tensors, but those that are trained whole.
func (s *Set) attach() {
	s.trained = nil
	for _, p := range s.model.Params() {
		s.trained = append(s.trained, p.RequiresGrad())
		p.SetRequiresGrad(false)
	}
	for _, w := range s.Wholes {
		w.attach()
	}
	for _, m := range s.Maps {
		m.Linear.Adapter = m
		m.Repack()
	}
}

// Attach puts the adapters back that [Set.Remove] took out, with the values
// that they had. Graphs are to be built anew.
func (s *Set) Attach() error {
	for _, m := range s.Maps {
		if m.Linear.Adapter != nil {
			return fmt.Errorf("lora: %s has an adapter already", m.Name)
		}
	}
	for _, g := range s.grown {
		if err := s.model.(nn.Grower).Grow(g.tensor, g.rows); err != nil {
			return fmt.Errorf("lora: %w", bare{err})
		}
	}
	for _, w := range s.Wholes {
		w.find(s.model)
	}
	s.attach()
	return nil
}

// adapt makes the map of l with all factors at zero.
func (s *Set) adapt(l *nn.Linear, layers int) (*adapter.Map, error) {
	if l.Adapter != nil {
		return nil, fmt.Errorf("lora: %s has an adapter already", l.Name)
	}
	rank, err := ofPattern(s.Options.RankPattern, l.Name, s.Options.Rank)
	if err != nil {
		return nil, err
	}
	if starter, ok := s.Method.Rank.(adapter.Starter); ok {
		rank = starter.StartRank(rank)
	}
	alpha, err := ofPattern(s.Options.AlphaPattern, l.Name, s.Options.Alpha)
	if err != nil {
		return nil, err
	}
	switch p := 2 * max(l.In, l.Out); { // files hold twice the rank of a start that left the base
	case rank < 1 || rank > p:
		return nil, fmt.Errorf("lora: %s: rank is %d, the weight %d×%d: must be from 1 to %d", l.Name, rank, l.Out, l.In, p)
	case !(alpha > 0) || math.IsInf(alpha, 0):
		return nil, fmt.Errorf("lora: %s: alpha is %v: must be above 0", l.Name, alpha)
	}
	return s.build(l, layers, rank, alpha)
}

// build makes the map of l at a rank and an alpha of its own.
func (s *Set) build(l *nn.Linear, layers, rank int, alpha float64) (*adapter.Map, error) {
	m, err := adapter.New(l, layerOf(l.Name), layers, s.Method.Delta, s.Method.Router, rank, alpha)
	if err != nil {
		return nil, fmt.Errorf("lora: %w", bare{err})
	}
	m.Dropout = s.Options.Dropout
	for _, name := range s.Method.Update.Freezes() {
		m.Freeze(name)
	}
	return m, nil
}

// start gives the factors their first values.
func (s *Set) start(in adapter.Inputs) error {
	for _, m := range s.Maps {
		m.Maps = len(s.Maps)
	}
	var err error
	switch {
	case s.Options.State != nil:
		err = s.restoreBase(s.Options.State)
	default:
		if err = s.Method.fits(s.Maps); err == nil && !s.Options.Dry {
			err = s.Method.initialize(s.Maps, in, s.Options.Started)
		}
	}
	if err != nil {
		return fmt.Errorf("lora: %w", bare{err})
	}
	if err := s.Method.Delta.Start(s.Maps, s.stream("delta")); err != nil {
		return fmt.Errorf("lora: %w", bare{err})
	}
	if s.Method.Router != nil {
		s.Method.Router.Start(s.Maps, s.stream("router"))
	}
	if s.Options.State != nil {
		return s.restore(s.Options.State)
	}
	return nil
}

// Plan starts the method's schedule for a run of so many steps. Graphs are to be
// built after it.
func (s *Set) Plan(steps int) (adapter.Plan, error) {
	return s.Method.Rank.Plan(s.Maps, steps, s.stream)
}

// stream returns the named random stream of the seed.
func (s *Set) stream(name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(s.Options.Seed, h.Sum64()))
}

// layerOf returns the index of the block in a module's name: its first
// component that is a number, or 0.
func layerOf(name string) int {
	for _, c := range strings.Split(name, ".") {
		if n, err := strconv.Atoi(c); err == nil && n >= 0 {
			return n
		}
	}
	return 0
}

// Remove takes the adapters out: the model is as it was before Inject, bit for
// bit. [Set.Attach] puts them back; between the two another set may be there.
// Graphs are to be built anew.
func (s *Set) Remove() {
	if s.merged != nil {
		s.Unmerge()
	}
	for _, m := range s.Maps {
		m.Linear.Adapter = nil
	}
	for _, w := range s.Wholes {
		w.detach()
	}
	for i, p := range s.model.Params() {
		p.SetRequiresGrad(s.trained[i])
	}
	shrink(s.model, s.grown)
	for _, l := range s.model.Linears() {
		if len(s.Wholes) > 0 {
			l.Repack() // it may have been trained
		}
	}
}

// Groups returns what an optimizer trains, one group a map: its trained
// factors, and those that the update rule freezes but may read, each under its
// map's name and its own. Then one for each tensor that is trained whole.
func (s *Set) Groups() []*optim.Group {
	var groups []*optim.Group
	frozen := s.Method.Update.Freezes()
	for _, m := range s.Maps {
		g := &optim.Group{Name: m.Name, Scaling: m.Scaling}
		for _, f := range m.Factors {
			if f.Trained || slices.Contains(frozen, f.Name) {
				g.Params = append(g.Params, &optim.Param{Name: m.Name + "." + f.Name, Role: f.Name, Value: f.Variable})
			}
		}
		groups = append(groups, g)
	}
	for _, w := range s.Wholes {
		groups = append(groups, &optim.Group{Name: w.Name, Scaling: 1, Params: []*optim.Param{{Name: w.Name, Value: w.Variable}}})
	}
	return groups
}

// TrainedParameters counts the values that training changes.
func (s *Set) TrainedParameters() int {
	n := 0
	for _, m := range s.Maps {
		n += m.TrainedParameters()
	}
	for _, w := range s.Wholes {
		n += len(w.Floats())
	}
	return n
}

var errMerged = errors.New("lora: the adapters are merged: unmerge first")

// variable copies x into a rows×cols matrix.
func variable(rows, cols int, x []float32) *ag.Variable {
	return ag.NewVariable(rows, cols, append([]float32(nil), x...))
}
