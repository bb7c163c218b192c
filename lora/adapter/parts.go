package adapter

import (
	"math/rand/v2"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/optim"
)

// A Delta is a parametrization: which factors there are, and what they make
// of the base weight.
type Delta interface {
	Part
	// Scaling returns s for a configured rank and alpha.
	Scaling(alpha float64, rank int) float64
	// Factors lists the tensors of a map of rank m.Rank, or refuses the rank.
	Factors(m *Map) ([]Spec, error)
	// Start fills, after the initializer has filled A and B, the factors that
	// are the delta's own, for all maps at once: they may share values.
	Start(maps []*Map, rng *rand.Rand) error
	// Form builds W' on the context's tape.
	Form(c *nn.Context, m *Map) Form
}

// An Initializer fills the factors A and B of maps, each as it would alone. It may
// take their product out of the base ([Map.Offset]).
type Initializer interface {
	Part
	Init(maps []*Map, in Inputs) error
}

// An Allocator is an initializer that may give the maps ranks of their own
// before it fills them.
type Allocator interface {
	Initializer
	// Allocates reports whether it does.
	Allocates() bool
	// Ranks returns a rank for each of the maps, which have the configured ones. A
	// map of rank 0 gets no adapter. It returns nil where it does not allocate.
	Ranks(maps []*Map, in Inputs) ([]int, error)
	// KeepsScaling reports whether s is the one of the configured rank, whatever
	// rank a map gets.
	KeepsScaling() bool
}

// A Fitter is an initializer that cannot fill any map: it refuses one whose rank
// or shape it cannot, before any start is made.
type Fitter interface {
	Fits(m *Map) error
}

// A Warmer is an initializer that starts from a few steps of full fine-tuning: where
// it asks for the gradient it gets what the weight has lost, W0 − W, after a step of
// the rule with each calibration batch.
type Warmer interface {
	WarmUp() (rule optim.Transform, lr float64)
}

// Inputs are what initializers draw from.
type Inputs struct {
	// Rand returns the named random stream; equal names give equal streams.
	Rand func(name string) *rand.Rand
	// Gradient returns the mean gradient of the loss for the map's full
	// weight, out×in, over the calibration batches, or what a Warmer wants. It
	// is nil unless the initializer needs FullGradient.
	Gradient func(m *Map) []float32
	// Moments returns what the calibration batches had of the map's inputs and
	// of the gradients of its outputs, or nil where it had nothing. It is nil
	// unless the initializer needs Activations or OutputGradients.
	Moments func(m *Map) *Moments
}

// Moments are means over the rows x that entered a map while calibration
// batches ran, in float64; padding is left out.
type Moments struct {
	Rows   int       // how many they were
	Mean   []float64 // in: of x
	Second []float64 // in×in: of xᵀ·x, not centred
	// Scaled is in×in, the mean over the batches of Σ xᵀ·x/c², where c is the
	// largest entry of the batch, not the largest in size: as CorDA's authors
	// and PEFT have it.
	Scaled []float64
	// Output is 1×out, the mean of the squared gradients of the loss for the
	// map's output rows. It is nil where no batch ran backward.
	Output []float64
	// Leading, where it is there, is what calibration has instead of Second and
	// Scaled, which are nil then.
	Leading *Components
}

// Components are principal components of the rows that entered a map: of their
// covariance, centred.
type Components struct {
	Variances  []float64 // from the largest
	Directions []float32 // one a row, each of in values
	Total      float64   // of the variances of all components
}

// A Reducer is an initializer that reads no more of a map's activations than their
// leading principal components, which calibration collects in less time and memory.
type Reducer interface {
	// Components is how many a map of a configured rank may take.
	Components(rank int) int
}

// An Update is a rule that turns the gradients of one adapter's factors,
// jointly, into updates.
type Update interface {
	Part
	// Transform returns the chain with decoupled weight decay, for one optimizer:
	// the states of its groups may share what they have in common.
	Transform(weightDecay float64) optim.Transform
	// Freezes lists the factors that the rule leaves as they started.
	Freezes() []string
}

// A Schedule changes ranks while a run trains.
type Schedule interface {
	Part
	// Plan starts the schedule for a run of so many steps, with named random
	// streams; equal names give equal streams. Graphs are to be built after it:
	// it may give maps a base of their own.
	Plan(maps []*Map, steps int, rand func(name string) *rand.Rand) (Plan, error)
}

// A Plan is a schedule at work. Steps count from 1.
type Plan interface {
	// Before sees the gradients and the weights before the step's update.
	Before(step int)
	// After sees the weights after it, and may mask or fold factors.
	After(step int)
	// Phase returns the first step of the phase that a step belongs to: 1, where
	// a schedule does not begin anew on the way.
	Phase(step int) int
	// Ranks returns the active rank of each map.
	Ranks() []int
	// Buffers are what a checkpoint must keep beside the factors and the bases.
	Buffers() []optim.Buffer
}

// Step has an optimizer take a step, 1 for the first, under a plan.
func Step(p Plan, o *optim.Optimizer, step int, lr float64) {
	p.Before(step)
	o.Phase = p.Phase(step)
	o.Step(lr)
	p.After(step)
}

// A Router weighs the experts of a map for every token. The experts' factors
// stand stacked in A and B.
type Router interface {
	Part
	// Rank returns the rank of all experts of m together, for a configured
	// rank.
	Rank(m *Map, rank int) int
	// Experts returns how many experts m has; they divide its rank.
	Experts(m *Map) int
	// Factors lists the router's own tensors.
	Factors(m *Map) []Spec
	// Start fills them.
	Start(maps []*Map, rng *rand.Rand)
	// Gates builds the weights, M×experts, for x, M×in, or returns nil where
	// a map has one expert; it may add a loss to the context.
	Gates(c *nn.Context, m *Map, x ag.Tensor) ag.Tensor
}

// A Part says what it needs of the others and what it provides. A composition
// is refused when a need is provided by none.
type Part interface {
	Needs() []Capability
	Provides() []Capability
}

// A Checker is a part whose numbers may be wrong: a composition is refused
// with its error.
type Checker interface {
	Check() error
}

// A Starter is a schedule that wants maps to start with another rank than the
// one configured.
type Starter interface {
	StartRank(rank int) int
}

// A Capability is something that one part provides and another may need, worded
// so that "needs …, which no part provides" reads well.
type Capability string

// The capabilities.
const (
	// Pair: factors A r×in and B out×r that an initializer fills.
	Pair Capability = "free factors A and B"
	// TrainedPair: A and B are both trained, and named so.
	TrainedPair Capability = "trained factors A and B"
	// Started: no pair waits for an initializer. What does not provide Pair does
	// this.
	Started Capability = "factors that start by themselves"
	// TrainedA, TrainedB: the factor is not frozen, whose other one starts at
	// zero. All update rules have both that do not freeze one.
	TrainedA Capability = "a trained factor A"
	TrainedB Capability = "a trained factor B"
	// Product: the update is s·B·A of the trained A and B themselves, with
	// nothing between them.
	Product Capability = "an update that is s·B·A itself"
	// Additive: W' is a function of W0 + s·B·A, so that a product can be
	// taken out of the base.
	Additive Capability = "an update s·B·A that is added to the base"
	// ZeroCore: something stands between A and B that may start about zero, so
	// that both of them need not.
	ZeroCore Capability = "a core between A and B that may start at zero"
	// DiagonalCore: an initializer may fill that with a diagonal matrix.
	DiagonalCore Capability = "a core between A and B that takes singular values"
	// FullCore: an initializer may fill it with any r×r matrix, factor R.
	FullCore Capability = "an r×r core between A and B"
	// Filled: neither A nor B starts at zero, so that what is between them can be
	// trained alone.
	Filled Capability = "a start with neither A nor B at zero"
	// Gated: the low-rank term may be weighed for every token.
	Gated Capability = "a low-rank term that gates can weigh"
	// Static: the weight is the same for every token. All routers but none
	// lack it.
	Static Capability = "one weight for all tokens"
	// FullGradient: the gradient of full weights over calibration batches,
	// provided by whoever runs the training.
	FullGradient Capability = "gradients of the full weights"
	// Activations: the moments of what enters the maps over calibration
	// batches, provided likewise.
	Activations Capability = "activations over calibration batches"
	// OutputGradients: those of the gradients of the maps' outputs, too.
	OutputGradients Capability = "gradients of the outputs over calibration batches"
	// Moved: the start is not the base's function. Nothing needs it; whoever
	// looks at a start may want to know.
	Moved Capability = "a start away from the base"
)
