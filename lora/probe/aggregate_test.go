package probe

import (
	"math"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
)

// Aggregates are of the maps of a block, of a kind, and of all, each as its
// metric says; a group of one has none.
func TestAggregates(t *testing.T) {
	names := []string{"model.layers.0.self_attn.q_proj", "model.layers.0.mlp.up_proj", "model.layers.1.self_attn.q_proj", "lm_head"}
	var maps []*adapter.Map
	for i, name := range names {
		m := newMap(t, delta.LoRA{}, nil, 16+i, 12, 2+i%2)
		m.Name = name
		newRun(m)
		maps = append(maps, m)
	}
	rows, err := New(maps).After(1, Tier0|Tier1)
	if err != nil {
		t.Fatal(err)
	}
	at := map[[2]string]float64{}
	var patterns []string
	for _, r := range rows {
		at[[2]string{r.Layer, r.Name}] = r.Value
		if !slices.Contains(names, r.Layer) && r.Name == "effective_rank" {
			patterns = append(patterns, r.Layer)
		}
	}
	if want := []string{"model.layers.0.*", "*.q_proj", "*"}; !slices.Equal(patterns, want) {
		t.Errorf("aggregates are of %q, want %q", patterns, want)
	}
	for pattern, members := range map[string][]string{"model.layers.0.*": names[:2], "*.q_proj": {names[0], names[2]}, "*": names} {
		var sum, squares, most, nuclear float64
		for _, name := range members {
			sum += at[[2]string{name, "effective_rank"}]
			squares += math.Pow(at[[2]string{name, "frobenius_norm"}], 2)
			most = max(most, at[[2]string{name, "spectral_norm"}])
			nuclear += at[[2]string{name, "nuclear_norm"}]
		}
		for name, want := range map[string]float64{
			"effective_rank": sum / float64(len(members)), "frobenius_norm": math.Sqrt(squares), "spectral_norm": most, "nuclear_norm": nuclear,
		} {
			if got := at[[2]string{pattern, name}]; math.Abs(got-want) > 1e-12*want {
				t.Errorf("%s of %s is %v, want %v", name, pattern, got, want)
			}
		}
	}
	if _, ok := at[[2]string{"*.q_proj", "norm_a"}]; ok {
		t.Error("tier 0 has an aggregate of a kind")
	}
	if _, ok := at[[2]string{"*", "norm_a"}]; !ok {
		t.Error("tier 0 has none of the model")
	}
}
