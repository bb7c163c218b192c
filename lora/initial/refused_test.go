package initial_test

import (
	"strings"
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/nn"
	"gonum.org/v1/gonum/mat"
)

// What cannot be is refused in one line that says where and why.
func TestRefused(t *testing.T) {
	shape := [2]int{20, 12}
	ok := func() *adapter.Moments { x := moments(activations(12)); x.Output = outputs(20); return x }
	gradient := func(*adapter.Map) []float32 { return make([]float32, 240) }
	for _, c := range []struct {
		init    adapter.Initializer
		rank    int
		moments *adapter.Moments
		says    string
	}{
		{initial.Principal{}, 3, nil, "calibration has no activations of it"},
		{initial.Principal{}, 13, ok(), "rank is 13: must be at most its 12 inputs"},
		{initial.Principal{}, 3, moments(activations(11)), "of 11 values, the weight is 20×12"},
		{initial.Principal{}, 3, moments(mat.NewDense(4, 12, nil)), "all the same"},
		{initial.Oriented{Damping: 0.01}, 13, ok(), "rank is 13"},
		{initial.Oriented{Damping: 0.01}, 3, moments(mat.NewDense(4, 12, nil)), "activations are all zero"},
		{initial.Quantized{Rounds: 1}, 13, nil, "rank is 13"},
		{initial.Null{}, 13, ok(), "rank is 13"},
		{initial.Minor{}, 13, nil, "rank is 13"},
		{initial.SVD{Smallest: true}, 13, nil, "rank is 13"},
		{initial.Descent{Gamma: 128}, 13, nil, "rank is 13"},
		{initial.Descent{Gamma: 128}, 3, nil, "the gradient is zero"},
		{initial.Projected{Step: 1}, 13, nil, "rank is 13"},
		{initial.Projected{Step: 1}, 3, nil, "no step to start with"},
		{initial.FineTuned{LR: 1}, 13, nil, "rank is 13"},
		{initial.FineTuned{LR: 1}, 3, nil, "the warm-up has changed nothing"},
		{initial.Truncate{}, 12, nil, "rank is 12, the weight 20×12: must be below 12"},
		{initial.DataAware{Gamma: 1, Bias: 1, Population: 1, Damping: 1e-6}, 3, moments(activations(12)), "no gradients of its outputs"},
		{initial.DataAware{Gamma: 1, Bias: 1, Population: 1, Damping: 1e-6}, 3, ok(), "the gradient is zero"},
	} {
		m, err := adapter.New(nn.NewLinear("lin", shape[0], shape[1], make([]float32, 240)), 0, 1, delta.LoRA{}, nil, c.rank, alpha)
		if err != nil {
			t.Fatal(err)
		}
		err = c.init.Init([]*adapter.Map{m}, adapter.Inputs{Rand: streams(1), Gradient: gradient, Moments: func(*adapter.Map) *adapter.Moments { return c.moments }})
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "initial: lin: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%T: says %v, want …%s…", c.init, err, c.says)
		}
	}
	for _, c := range []struct {
		init adapter.Checker
		says string
	}{
		{initial.SVD{Smallest: true, Iterations: 2}, "iterations is 2: must be 0"},
		{initial.Gaussian{Law: 4}, "law is 4"},
		{initial.SVD{Split: 3}, "split is 3"},
		{initial.SVD{Split: initial.Middle, Keep: true}, "keep is set"},
		{initial.FirstStep{}, "step is 0"},
		{initial.FirstStep{Step: 1, Warmup: -1}, "warmup is -1"},
		{initial.FirstStep{Step: 1, Warmup: 2, Factory: true}, "both set"},
		{initial.Projected{}, "step is 0"},
		{initial.Quantized{}, "rounds is 0"},
		{initial.Quantized{Rounds: 1, Double: true, Int8: true}, "both set"},
		{initial.Projected{Step: 1, Least: 5, Most: 4}, "ranks from 5 to 4"},
		{initial.Gradient{Gamma: 16, Least: 3, Most: 2}, "ranks from 3 to 2"},
		{initial.Principal{Rho: 0.5}, "rho is 0.5"},
		{initial.Gradient{Gamma: 16, Direction: 4}, "direction is 4"},
		{initial.Gradient{Gamma: 16, Scale: -1}, "scale is -1"},
		{initial.Gradient{}, "gamma is 0"},
		{initial.FineTuned{}, "lr is 0"},
		{initial.Descent{}, "gamma is 0"},
		{initial.NonZero{A: 1}, "b is 0"},
		{initial.Principal{Whiten: true, Scale: true}, "both set"},
		{initial.Oriented{}, "damping is 0"},
		{initial.DataAware{Gamma: 1, Bias: 1, Damping: 1}, "population is 0"},
	} {
		if err := c.init.Check(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%T%+v: says %v, want …%s…", c.init, c.init, err, c.says)
		}
	}
}

// Values of a configuration that mean nothing are no start, and do no harm.
func TestFromPEFTRefuses(t *testing.T) {
	type stored interface {
		FromPEFT(any, map[string]any) (adapter.Initializer, bool)
	}
	for _, c := range []struct {
		init   stored
		start  any
		config map[string]any
		ok     bool
	}{
		{initial.Gradient{}, "lora_ga", map[string]any{}, true},
		{initial.Gradient{}, "lora_ga", map[string]any{"lora_ga_config": map[string]any{"direction": "up"}}, false},
		{initial.Gradient{}, "lora_ga", map[string]any{"lora_ga_config": map[string]any{"direction": []any{1}}}, false},
		{initial.Gradient{}, "lora_ga", map[string]any{"lora_ga_config": map[string]any{"scale": 3.0}}, false},
		{initial.Gradient{}, "pissa", map[string]any{}, false},
		{initial.Oriented{}, "corda", map[string]any{"corda_config": map[string]any{"corda_method": []any{}}}, false},
		{initial.Oriented{}, "corda", map[string]any{"corda_config": nil}, true},
		{initial.Principal{}, "eva", map[string]any{"eva_config": map[string]any{"rho": 2.0}}, true},
		{initial.Principal{}, "eva", map[string]any{"eva_config": map[string]any{"rho": 0.5}}, false},
		{initial.Principal{}, "eva", map[string]any{}, true},
		{initial.Quantized{}, "loftq", map[string]any{}, true},
		{initial.Quantized{}, "loftq", map[string]any{"loftq_config": map[string]any{"loftq_bits": 4.0, "loftq_iter": 3.0}}, true},
		{initial.Quantized{}, "loftq", map[string]any{"loftq_config": map[string]any{"loftq_bits": 8.0}}, true},
		{initial.Quantized{}, "loftq", map[string]any{"loftq_config": map[string]any{"loftq_bits": 3.0}}, false},
		{initial.Quantized{}, "loftq", map[string]any{"loftq_config": map[string]any{"loftq_iter": 0.0}}, false},
		{initial.Principal{}, []any{}, map[string]any{}, false},
	} {
		if got, ok := c.init.FromPEFT(c.start, c.config); ok != c.ok {
			t.Errorf("%v %v is read as %+v, %t", c.start, c.config, got, ok)
		}
	}
}
