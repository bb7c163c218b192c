package lora_test

import (
	"strings"
	"testing"

	"github.com/lowrank/lowrank/lora"
)

// A type that implies its start is stored at its own rank, and the base is made
// anew from the model's; with another start it has no type of PEFT's.
func TestOwnStart(t *testing.T) {
	for _, c := range []struct {
		recipe lora.Recipe
		says   []string
	}{
		{lora.Recipe{Method: "kasa"}, []string{`"peft_type": "LORA"`, `"kasa_config"`, `"r": 2,`}},
		{lora.Recipe{Method: "kasa", Options: map[string]float64{"values": 0.5}}, []string{`"beta": 0.5`}},
		{lora.Recipe{Method: "kasa", Init: "pissa"}, []string{`"peft_type": "LOWRANK"`}},
	} {
		method, err := lora.Compose(c.recipe)
		if err != nil {
			t.Fatal(err)
		}
		set, err := lora.Inject(model(t), method, lora.Options{Rank: 2, Alpha: 4, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		stir(set)
		config, weights, err := set.Files()
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.says {
			if !strings.Contains(string(config), want) {
				t.Errorf("%s: the configuration %s lacks %s", method.Name, config, want)
			}
		}
		again, err := lora.Load(model(t), config, weights)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range set.Maps {
			want, err := m.Merged()
			if err != nil {
				t.Fatal(err)
			}
			got, err := again.Maps[i].Merged()
			if err != nil {
				t.Fatal(err)
			}
			for j := range want {
				if got[j] != want[j] {
					t.Fatalf("%s: %s: W'[%d] is %v, was %v", method.Name, m.Name, j, got[j], want[j])
				}
			}
		}
	}
}
