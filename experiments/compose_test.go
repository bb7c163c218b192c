package experiments

import (
	"context"
	"testing"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/lora"
)

func parse(t *testing.T, method string) *Config {
	t.Helper()
	c, err := ParseConfig("run.yaml", []byte("version: 1\nrank: 4\nalpha: 8\nmethod: "+method+`
train: {steps: 5, batch: 2, tokens: 16, lr: 5e-3}
eval: {every: 0, batches: 1}
probe: {every: 2}
checkpoint: {every: 0}
`))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Parts of different papers, most of them together in none.
func TestCompositionsTrain(t *testing.T) {
	for method, want := range map[string]record.Parts{
		"{init: pissa, update: lora-pro, rank: adalora}":                                {Delta: "lora", Init: "pissa", Update: "lora-pro", Rank: "adalora", Router: "none"},
		"{delta: dora, init: olora, update: lora-plus}":                                 {Delta: "dora", Init: "olora", Update: "lora-plus", Rank: "none", Router: "none"},
		"{delta: dora, init: pissa, update: lora-pro, rank: adalora}":                   {Delta: "dora", Init: "pissa", Update: "lora-pro", Rank: "adalora", Router: "none"},
		"{delta: rslora, update: lora-fa, router: mola}":                                {Delta: "rslora", Init: "lora", Update: "lora-fa", Rank: "none", Router: "mola"},
		"{delta: hira, update: lora-plus, rank: adalora}":                               {Delta: "hira", Init: "lora", Update: "lora-plus", Rank: "adalora", Router: "none"},
		"{delta: adalora, init: adalora, rank: none}":                                   {Delta: "adalora", Init: "adalora", Update: "lora", Rank: "none", Router: "none"},
		"{init: lora-ga, update: lora-pro}":                                             {Delta: "lora", Init: "lora-ga", Update: "lora-pro", Rank: "none", Router: "none"},
		"{init: {lora-ga: {gamma: 32}}, update: {lora-plus: {ratio: 4}}, router: none}": {Delta: "lora", Init: "lora-ga", Update: "lora-plus", Rank: "none", Router: "none"},
		"{init: lora-gaussian, update: lora-plus, router: lora-moe}":                    {Delta: "lora", Init: "lora-gaussian", Update: "lora-plus", Rank: "none", Router: "lora-moe"},
	} {
		r := tinyRun(t, "lora")
		r.Config = parse(t, method)
		rec, err := r.Do(context.Background())
		if err != nil || rec.Status != record.Done {
			t.Errorf("%s: %+v, %v", method, rec, err)
			continue
		}
		if rec.Method.Parts != want {
			t.Errorf("%s: have parts %+v, want %+v", method, rec.Method.Parts, want)
		}
		res := resultOf(t, r.Dir)
		if _, err := lora.Load(r.Setting.Base.Clone(), res.adapter["adapter_config.json"], res.adapter["adapter_model.safetensors"]); err != nil {
			t.Errorf("%s: its adapter: %v", method, err)
		}
	}
}

// Compositions without sense are refused before anything is trained, by the
// part and what it needs.
func TestCompositionsRefused(t *testing.T) {
	for method, says := range map[string][]string{
		"{delta: full, init: full, update: lora-pro}": {"update lora-pro needs trained factors A and B", "delta full"},
		"{delta: full}":                               {"init lora needs free factors A and B", "delta full"},
		"{delta: hira, init: pissa}":                  {"init pissa needs", "added to the base", "delta hira"},
		"{delta: dora, router: lora-moe}":             {"router lora-moe needs", "delta dora"},
		"{delta: vera, init: full, update: lora-pro}": {"update lora-pro needs trained factors A and B", "delta vera"},
		"{init: pissa, router: mola}":                 {"init pissa needs one weight for all tokens", "router mola"},
		"{update: lora-pro, router: lora-moe}":        {"update lora-pro needs one weight for all tokens", "router lora-moe"},
		"{update: lora-fa, rank: adalora}":            {"rank adalora needs", "update lora-fa freezes A"},
		"{rank: lora-plus}":                           {"rank: the row lora-plus has none of its own", "adalora"},
		"{init: {pissa: {iteratons: 4}}}":             {`"init.iteratons"`},
	} {
		r := tinyRun(t, "lora")
		r.Config = parse(t, method)
		r.Watch = func(int, int, float64) { t.Errorf("%s: trains", method) }
		_, err := r.Config.Check()
		wantOneLine(t, err, says...)
		_, err = r.Do(context.Background())
		wantOneLine(t, err, says...)
	}
}
