package lora_test

import (
	"testing"

	"github.com/lowrank/lowrank/lora"
)

// FuzzLoad: whatever an adapter's two files hold, reading them is an error or
// gives adapters that run, and leaves the model as it was.
func FuzzLoad(f *testing.F) {
	m := biased(f)
	for _, method := range []string{"lora", "dora", "vera", "adalora", "hira", "lora-moe"} {
		set, err := lora.Inject(m, row(f, method), lora.Options{Rank: 1, Alpha: 2, Targets: lora.Targets{"q_proj"}})
		if err != nil {
			f.Fatal(err)
		}
		config, weights, err := set.Files()
		if err != nil {
			f.Fatal(err)
		}
		set.Remove()
		f.Add(config, weights)
	}
	for _, config := range []string{
		`{}`, `null`, `[]`, `{"peft_type":"LORA"}`, `{"peft_type":"LORA","r":1,"lora_alpha":1,"target_modules":"(((((("}`,
		`{"peft_type":"LORA","r":-1,"lora_alpha":1e999,"target_modules":["q_proj"],"rank_pattern":{"(":2}}`,
		`{"peft_type":"LORA","r":1099511627776,"lora_alpha":1,"target_modules":["q_proj"],"layers_to_transform":[0],"layers_pattern":"["}`,
		`{"peft_type":"LOWRANK","method":{"method":"lora"},"r":1,"lora_alpha":1,"target_modules":["q_proj"],"modules_to_save":["",".","("]}`,
		`{"peft_type":"LORA","r":1,"lora_alpha":1,"target_modules":["q_proj"],"init_lora_weights":"pissa_niter_99999999999"}`,
	} {
		f.Add([]byte(config), []byte("\x02\x00\x00\x00\x00\x00\x00\x00{}"))
	}
	f.Fuzz(func(t *testing.T, config, weights []byte) {
		set, err := lora.Load(m, config, weights)
		if err == nil {
			logitsOf(t, m)
			set.Remove()
		}
		for _, l := range m.Linears() {
			if l.Adapter != nil {
				t.Fatalf("%s has an adapter left: %v", l.Name, err)
			}
		}
	})
}
