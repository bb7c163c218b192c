package report

import (
	"math"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/experiments/record"
)

// runsOf makes done runs of a method from the losses of its seeds at each
// learning rate; a NaN is a run that diverged.
func runsOf(name string, losses map[float64][]float64) []*record.Run {
	var out []*record.Run
	for lr, seeds := range losses {
		for i, v := range seeds {
			r := &record.Run{ID: name, Status: record.Done, Method: record.Method{Name: name}, LR: lr, Seed: uint64(i + 1), Eval: record.Eval{"adapt_after": v, "adapt_before": 3}}
			if math.IsNaN(v) {
				r.Status, r.Eval = record.Diverged, nil
			}
			out = append(out, r)
		}
	}
	return out
}

var nan = math.NaN()

func TestBestRate(t *testing.T) {
	for name, c := range map[string]struct {
		losses map[float64][]float64
		best   float64 // 0: none
		edge   string
	}{
		"middle":                {map[float64][]float64{1e-3: {2, 2}, 1e-2: {1, 1.2}, 1e-1: {1.5, 1.5}}, 1e-2, ""},
		"a diverged seed of 2":  {map[float64][]float64{1e-3: {2, 2}, 1e-2: {1, nan}}, 1e-3, "lowest"},
		"a diverged seed of 3":  {map[float64][]float64{1e-3: {2, 2, 2}, 1e-2: {1, 1.1, nan}}, 1e-2, "highest"},
		"bracketed by diverged": {map[float64][]float64{1e-3: {2}, 1e-2: {1}, 1e-1: {nan}}, 1e-2, ""},
		"only one":              {map[float64][]float64{1e-3: {2}}, 1e-3, "only"},
		"all diverged":          {map[float64][]float64{1e-3: {nan}, 1e-2: {nan}}, 0, ""},
	} {
		m := summarise(runsOf("m", c.losses))[0]
		got := 0.0
		if m.best != nil {
			got = m.best.lr
		}
		if got != c.best || m.edge() != c.edge {
			t.Errorf("%s: best learning rate %g, edge %q; want %g, %q", name, got, m.edge(), c.best, c.edge)
		}
	}
}

// TestGoodRange plants losses that rise linearly in log(lr), so that the
// crossing of 1 % is known: best 1 at 1e-3, 1.02 a decade away: half a decade.
func TestGoodRange(t *testing.T) {
	m := summarise(runsOf("m", map[float64][]float64{1e-4: {1.02}, 1e-3: {1}, 1e-2: {1.02}}))[0]
	g := m.good()
	if math.Abs(g.decades()-1) > 1e-12 || g.openLow || g.openHigh || math.Abs(math.Log10(g.low)+3.5) > 1e-12 {
		t.Errorf("range %+v, %g decades; want 10^-3.5 to 10^-2.5", g, g.decades())
	}
	m = summarise(runsOf("m", map[float64][]float64{1e-4: {1.005}, 1e-3: {1}, 1e-2: {nan}}))[0]
	if g = m.good(); !g.openLow || g.openHigh || g.low != 1e-4 || g.high != 1e-3 {
		t.Errorf("range %+v; want from the open end 1e-4 to 1e-3, next to a diverged rate", g)
	}
}

func TestHeadline(t *testing.T) {
	for name, c := range map[string]struct {
		runs []*record.Run
		want []string
	}{
		"apart": {append(runsOf("lora", map[float64][]float64{1e-3: {1.5, 1.52}, 1e-2: {1.6, 1.6}, 1e-4: {1.8, 1.8}}), runsOf("pissa", map[float64][]float64{1e-3: {1.4, 1.42}, 1e-2: {1.6, 1.6}, 1e-4: {1.8, 1.8}})...),
			[]string{"Lowest held-out loss: pissa, with a median of 1.4100 nats per token over 2 seeds at its best learning rate 1e-3 (seeds 1.4000 to 1.4200).", "Before adaptation the base model has 3.0000.",
				"Plain lora reaches 1.5100", "0.1 nats (7.1\u00a0%) more", "seeds (2 and 2) do not overlap", "not a significance test"}},
		"together": {append(runsOf("lora", map[float64][]float64{1e-3: {1.4, 1.5}}), runsOf("pissa", map[float64][]float64{1e-3: {1.39, 1.45}})...),
			[]string{"overlap, so this study does not tell them apart", "not bracketed"}},
		"lora first": {append(runsOf("lora", map[float64][]float64{1e-3: {1.3, 1.31}}), runsOf("pissa", map[float64][]float64{1e-3: {1.4, 1.45}})...),
			[]string{"That is plain lora itself; the next method, pissa, reaches"}},
	} {
		text := strings.Join(headline(summarise(c.runs)), "\n")
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not in\n%s", name, want, text)
			}
		}
	}
}

// TestRanksApart keeps runs of one method at two ranks in two rows.
func TestRanksApart(t *testing.T) {
	runs := runsOf("lora", map[float64][]float64{1e-3: {1.5}})
	runs = append(runs, runsOf("lora", map[float64][]float64{1e-3: {1.4}})...)
	runs[0].Rank, runs[1].Rank = 4, 16
	methods := summarise(runs)
	if len(methods) != 2 || methods[0].label != "lora r=4" || methods[1].label != "lora r=16" {
		t.Fatalf("%d methods, want lora r=4 and lora r=16", len(methods))
	}
}

func TestLayers(t *testing.T) {
	got := layersOf([]string{"model.layers.10.mlp.up_proj", "model.layers.2.self_attn.q_proj", "encoder.layers.2.self_attn.q_proj", "head"})
	for i, want := range []layer{{"head", "", "head"}, {"model.layers.2.self_attn.q_proj", "model.layers.2.self_attn", "q_proj"},
		{"encoder.layers.2.self_attn.q_proj", "encoder.layers.2.self_attn", "q_proj"}, {"model.layers.10.mlp.up_proj", "10", "up_proj"}} {
		if got[i] != want {
			t.Errorf("layer %d is %+v, want %+v", i, got[i], want)
		}
	}
}

func TestShellWord(t *testing.T) {
	for id, want := range map[string]string{"lora_lr1e-3_seed1": "lora_lr1e-3_seed1", "a b": "'a b'", "it's": `'it'\''s'`, "": "''"} {
		if got := shellWord(id); got != want {
			t.Errorf("shellWord(%q) = %s, want %s", id, got, want)
		}
	}
}

// The losses of a classifier are not those of tokens, and what the page draws is
// named so wherever it stands.
func TestUnits(t *testing.T) {
	for name, want := range map[string]struct{ unit, more string }{
		"perplexity": {"nats per token", " nats ("}, "accuracy": {"nats per label", " nats ("}, "mse": {"mean squared error", "0.1 ("},
	} {
		runs := append(runsOf("lora", map[float64][]float64{1e-3: {1.5}}), runsOf("dora", map[float64][]float64{1e-3: {1.6}})...)
		for _, r := range runs {
			r.Eval[name+"_before"] = 1
		}
		var page strings.Builder
		rows := []record.Metric{{Step: 1, Name: "eval_loss", Value: 1.5}, {Step: 2, Name: "eval_loss", Value: 1.4}}
		study := Study{Runs: runs, Metrics: func(*record.Run) ([]record.Metric, error) { return rows, nil }}
		if err := WritePage(&page, study); err != nil {
			t.Fatal(err)
		}
		text := page.String()
		for _, part := range []string{"1.5000 " + want.unit + " over", want.more, "held-out loss (" + want.unit + ")", "forgetting in " + want.unit, "Held-out loss</"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: the page lacks %q", name, part)
			}
		}
		if want.unit != "nats per token" && strings.Contains(text, "nats per token") {
			t.Errorf("%s: the page speaks of tokens", name)
		}
	}
}
