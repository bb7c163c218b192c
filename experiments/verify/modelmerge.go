package verify

import (
	"slices"
	"strings"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
)

const mergedPrefix = "merged."

// merged merges the adapters and compares the outputs, the weights that are
// recorded as changed, and all others with the base's. It comes last: the model
// is another afterwards.
func (ref *reference) merged(r *rows, want *record, m nn.Model, set *lora.Set) error {
	if !want.has("merged_logits") {
		return nil
	}
	if err := set.MergeShared(); err != nil { // by what the adapters are, not by what the files have
		r.unsupported("merged", err.Error())
		want.skip("merged")
		return nil
	}
	p, err := ref.in.forward(m)
	if err != nil {
		return err
	}
	p.compare(r, want, "merged_")

	have := tensorsOf(m)
	for _, w := range set.Wholes { // one that was tied is not the model's
		have[plain(w.Path())] = w.Stored(w.Floats())
	}
	base, err := ref.model()
	if err != nil {
		return err
	}
	before := tensorsOf(base)
	for _, name := range want.Names() {
		of, ok := strings.CutPrefix(name, mergedPrefix)
		if x := have[plain(of)]; ok && x != nil {
			want.near(r, name, x)
			delete(before, plain(of))
		}
	}
	for _, p := range m.Params() {
		name := plain(p.Path())
		if x := before[name]; x != nil && !slices.Equal(x, have[name]) {
			r.near(mergedPrefix+p.Name, have[name], x, Tolerance{})
		}
	}
	return nil
}

// tensorsOf returns the tensors of a model by plain name, a tied one by both, as
// a checkpoint has them.
func tensorsOf(m nn.Model) map[string][]float32 {
	all := map[string][]float32{}
	for _, p := range m.Params() {
		all[plain(p.Path())] = p.Stored(p.Floats())
	}
	for _, l := range m.Linears() {
		if l.Tied != nil {
			all[plain(l.Name)] = all[plain(l.Tied.Name)]
		}
	}
	return all
}
