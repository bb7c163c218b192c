package loratest

import (
	"testing"

	"github.com/lowrank/lowrank/lora"
)

// T8: rules, schedules and scalings that come to the same, and beside each two
// that do not.
func TestEquivalences(t *testing.T) {
	options := func(kv ...any) map[string]float64 {
		o := map[string]float64{}
		for i := 0; i < len(kv); i += 2 {
			o[kv[i].(string)] = kv[i+1].(float64)
		}
		return o
	}
	plain := lora.Recipe{}
	for _, c := range []struct {
		name      string
		x, y      lora.Recipe
		alpha, lr float64 // of y, times those of x
		steps     int
		within    float64 // 0: the same bits
	}{
		{"LoRA+ at ratio 1 is AdamW", lora.Recipe{Method: "lora-plus", Options: options("ratio", 1.)}, plain, 1, 1, 6, 0},
		{"restarts without phases are AdamW", lora.Recipe{Update: "relora"}, plain, 1, 1, 6, 0},
		{"restarts that keep all are AdamW", lora.Recipe{Method: "plora", Options: options("keep", 1.)}, lora.Recipe{Rank: "plora"}, 1, 1, 8, 0},
		{"Chain of LoRA is ReLoRA that keeps nothing", lora.Recipe{Method: "relora", Options: options("keep", 0., "warmup", 0., "cycles", 3.)}, lora.Recipe{Method: "cola"}, 1, 1, 9, 0},
		{"momentum 0 is gradient descent", lora.Recipe{Method: "lora-momentum", Options: options("momentum", 0.)}, lora.Recipe{Method: "lora-sgd"}, 1, 1, 6, 0},
		{"GaLore of factors that are low already is AdamW", lora.Recipe{Update: "galore"}, plain, 1, 1, 6, 1e-6},
		// BᵀB and A·Aᵀ, of norms around one, beside a damping of 1e6.
		{"ScaledGD, heavily damped, is gradient descent", lora.Recipe{Method: "scaled-gd", Options: options("damping", 1e6)}, lora.Recipe{Method: "lora-sgd"}, 1, 1e-6, 6, 1e-4},
		// The first step differs by lr·b·a, the second order.
		{"LoRA-Pro at X = 0 and at the closest", lora.Recipe{Method: "lora-pro-sgd", Options: options("x", 1.)}, lora.Recipe{Method: "lora-pro-sgd"}, 1, 1, 1, 0.02},
		// Adam divides (1+ratio) out but for its eps.
		{"Delta-LoRA from the start is LoRA at (1+ratio)·s", lora.Recipe{Method: "delta-lora", Options: options("begin", 0.)}, plain, 3, 1, 6, 1e-4},
	} {
		x, err := lora.Compose(c.x)
		if err != nil {
			t.Fatal(err)
		}
		y, err := lora.Compose(c.y)
		if err != nil {
			t.Fatal(err)
		}
		s := small(c.steps)
		lr := 0.02
		if c.lr != 1 {
			lr = 1e3 // of the damped side
		}
		start := spread
		if c.alpha != 1 { // from B = 0, where the function is the same at every scaling
			start = nil
		}
		one, err := s.walk(x, lr, start)
		if err != nil {
			t.Fatal(err)
		}
		other := s
		other.alpha *= c.alpha
		two, err := other.walk(y, lr*c.lr, start)
		if err != nil {
			t.Fatal(err)
		}
		if d := apart(one, two); !(d <= c.within) {
			t.Errorf("%s: the changes of the weight differ by %.3g", c.name, d)
		}
		if two, err = other.walk(y, 1.3*lr*c.lr, start); err != nil {
			t.Fatal(err)
		}
		if d := apart(one, two); !(d > 0.1) {
			t.Errorf("%s: at another rate they differ by %.3g only", c.name, d)
		}
	}
}

// A schedule's phases reach the rule: an optimizer that begins anew with them is
// another than one that goes on.
func TestPhasesReachTheRule(t *testing.T) {
	anew, err := lora.Row("cola")
	if err != nil {
		t.Fatal(err)
	}
	on, err := lora.Compose(lora.Recipe{Rank: anew.Name})
	if err != nil {
		t.Fatal(err)
	}
	one, err := small(9).walk(anew, 0.02, nil)
	if err != nil {
		t.Fatal(err)
	}
	two, err := small(9).walk(on, 0.02, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := apart(one, two); !(d > 0.01) {
		t.Errorf("the changes of the weight differ by %.3g", d)
	}
}
