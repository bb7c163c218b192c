package lora_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/lora"
)

// A base that was rounded comes back from files and states to the last bit: in one
// round PEFT's files say how, after more they have it with them.
func TestReplacedBase(t *testing.T) {
	for _, c := range []struct {
		rounds, int8, peft float64
		kind               string
	}{
		{1, 0, 0, `"loftq_bits": 4`}, {3, 0, 0, `"peft_type": "LOWRANK"`},
		{1, 1, 1, `"loftq_bits": 8`}, {1, 1, 0, `"peft_type": "LOWRANK"`},
	} {
		rounds := c.rounds
		method, err := lora.Compose(lora.Recipe{Method: "loftq", Options: map[string]float64{"rounds": rounds, "int8": c.int8, "peft": c.peft}})
		if err != nil {
			t.Fatal(err)
		}
		opt := lora.Options{Targets: lora.Targets{"q_proj", "up_proj"}, Rank: 2, Alpha: 6, Seed: 1}
		base := model(t)
		set, err := lora.Inject(base, method, opt)
		if err != nil {
			t.Fatal(err)
		}
		stir(set)
		want := logitsOf(t, base)
		config, weights, err := set.Files()
		if err != nil {
			t.Fatal(err)
		}
		if remade := strings.Contains(string(config), `"init_lora_weights": "loftq"`); !strings.Contains(string(config), c.kind) || remade != strings.Contains(c.kind, "loftq") {
			t.Errorf("%+v: the configuration is %s", c, config)
		}
		fresh := model(t)
		read, err := lora.Load(fresh, config, weights)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(logitsOf(t, fresh), want) {
			t.Errorf("%v rounds: the files give another model", rounds)
		}
		again, weightsAgain, err := read.Files()
		if err != nil || !bytes.Equal(again, config) || !bytes.Equal(weightsAgain, weights) {
			t.Errorf("%v rounds: the files are written otherwise again, %v", rounds, err)
		}
		opt.State = set.State()
		resumed := model(t)
		if _, err := lora.Inject(resumed, method, opt); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(logitsOf(t, resumed), want) {
			t.Errorf("%v rounds: the state gives another model", rounds)
		}
		opt.State[set.Maps[0].Name+".base"] = []float32{1}
		if _, err := lora.Inject(model(t), method, opt); err == nil || !strings.Contains(err.Error(), ".base has 1 values") {
			t.Errorf("%v rounds: a base of another shape: %v", rounds, err)
		}
		set.Remove()
		if !slices.Equal(logitsOf(t, base), logitsOf(t, model(t))) {
			t.Errorf("%v rounds: removing does not give W0 back", rounds)
		}
		if _, _, err := lora.Convert(set, 0, 0); err == nil {
			t.Errorf("%v rounds: the change of a rounded base is converted exactly", rounds)
		}
	}
}
