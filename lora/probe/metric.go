package probe

import "github.com/lowrank/lowrank/kernels"

// A Metric is one instrument: what its values are, and how they come about.
type Metric struct {
	Name       string // with Many, followed by a number from 1 on
	Many       bool   // several values, numbered
	Definition string
	Source     string
	Unit       string
	Range      string
	Gauge      Gauge
	Rescaling  Rescaling
	Cost       string // flops a map and measurement: d = in + out, r the rank, N the rows of the probe batch
	Tier       int
	Aggregate  Aggregate

	value  func(*layer) (float64, error)
	values func(*layer) ([]float64, error) // with Many
	model  func(*Probe) (float64, error)   // of the whole model, not of a map
}

// A Gauge says what becomes of a value where A is replaced by M·A and B by
// B·M⁻¹ for an invertible M, which changes nothing about the weight: gradients
// go over into M⁻ᵀ·gA and gB·Mᵀ, and steps as factors do.
type Gauge string

// The gauges.
const (
	Invariant Gauge = "invariant"
	Dependent Gauge = "depends on the factors"
)

// A Rescaling says what becomes of a value where s is replaced by c·s, with the
// same factors, steps of them, and gradient of the weight.
type Rescaling string

// The rescalings.
const (
	Unscaled  Rescaling = "1"
	Linear    Rescaling = "c"
	Quadratic Rescaling = "c²"
	Inverse   Rescaling = "1/c"
	Unsettled Rescaling = "none" // no power of c
)

// An Aggregate says how the values of maps become one of a block, of a kind of
// map and of the model.
type Aggregate string

// The aggregates.
const (
	NoAggregate    Aggregate = ""
	Mean           Aggregate = "mean"
	Sum            Aggregate = "sum"
	Largest        Aggregate = "largest"
	RootSumSquares Aggregate = "root of the sum of squares" // the norm of all as one
)

// Undefined is why a metric has no value.
type Undefined string

func (u Undefined) Error() string { return string(u) }

// What several metrics are undefined for.
const (
	notAsked     Undefined = "the form is a whole weight, whose spectrum is measured at the last step alone"
	neverRun     Undefined = "the map has not run"
	ungated      Undefined = "the gates have not run"
	notFree      Undefined = "the form is more than s·B·A of the trained factors themselves"
	oneSided     Undefined = "A is frozen"
	noStep       Undefined = "no step was observed"
	noGradient   Undefined = "there is no gradient"
	zeroOverZero Undefined = "a ratio to zero"
	noFactorA    Undefined = "there is no trained factor A"
	noFactorB    Undefined = "there is no trained factor B"
	noBatch      Undefined = "no probe batch was lent"
	noRouter     Undefined = "there are no experts"
)

// over returns x/y, which is undefined for y = 0.
func over(x, y float64) (float64, error) {
	if y == 0 {
		return 0, zeroOverZero
	}
	return x / y, nil
}

// once holds a value that is computed at most once a measurement.
type once[T any] struct {
	tick int // of the last computation; measurements count from 1
	v    T
	err  error
}

func (o *once[T]) get(tick int, compute func(*T) error) (*T, error) {
	if o.tick != tick {
		o.tick = tick
		o.err = compute(&o.v)
	}
	return &o.v, o.err
}

// sumSquares of float32 values, in float64.
func sumSquares(x []float32) float64 { return kernels.SumSquares(x) }
