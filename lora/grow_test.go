package lora_test

import (
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
)

// logitsOfNew runs a model on ids that its checkpoint does not know.
func logitsOfNew(t *testing.T, m nn.Model) ([]float32, error) {
	t.Helper()
	c := &nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: 4, IDs: []int32{1, 12, 3, 13}}
	var y []float32
	err := ag.Guard(func() { y = slices.Clone(ag.Floats(m.Forward(c))) })
	return y, err
}

// TestAddedTokens: adapters of a base with more tokens than its checkpoint has
// carry them along: a model that loads the adapters grows, and is the base again
// without them.
func TestAddedTokens(t *testing.T) {
	const added, width = 3, 16
	for _, opt := range []lora.Options{
		{Targets: lora.Targets{"q_proj"}},
		{Targets: lora.Targets{"q_proj", "embed_tokens"}},
		{Targets: lora.Targets{"q_proj"}, Save: []string{"embed_tokens", "lm_head"}},
	} {
		opt.Rank, opt.Alpha = 2, 2
		m := biased(t)
		base := logitsOf(t, m)
		if err := m.Grow("model.embed_tokens.weight", numbers(added*width)); err != nil {
			t.Fatal(err)
		}
		if m.Embed.In != 14 || m.Head.Out != 14 || m.Head.W != m.Embed.W || !slices.Equal(m.Params()[0].Shape, []int{14, width}) {
			t.Fatalf("grown to %d and %d rows, tied %t, %v", m.Embed.In, m.Head.Out, m.Head.W == m.Embed.W, m.Params()[0].Shape)
		}
		set, err := lora.Inject(m, row(t, "lora"), opt)
		if err != nil {
			t.Fatal(err)
		}
		stir(set)
		want, err := logitsOfNew(t, m)
		if err != nil {
			t.Fatal(err)
		}
		config, weights, err := set.Files()
		if err != nil {
			t.Fatal(err)
		}

		fresh := biased(t)
		if _, err := logitsOfNew(t, fresh); err == nil {
			t.Error("the base knows the new tokens")
		}
		loaded, err := lora.Load(fresh, config, weights)
		if err != nil {
			t.Errorf("%+v: %v", opt, err)
			continue
		}
		check := func(when string) {
			t.Helper()
			if got, err := logitsOfNew(t, fresh); err != nil || !slices.Equal(got, want) {
				t.Errorf("%+v: %s it is another: %v", opt, when, err)
			}
		}
		check("loaded")
		loaded.Remove()
		if _, err := logitsOfNew(t, fresh); err == nil || !slices.Equal(logitsOf(t, fresh), base) {
			t.Errorf("%+v: without the adapters the model is not the base: %v", opt, err)
		}
		if err := loaded.Attach(); err != nil {
			t.Fatal(err)
		}
		check("back in")
		if clone := fresh.Clone(); len(opt.Save) == 0 && !slices.Equal(logitsOf(t, clone), base) {
			t.Errorf("%+v: a clone is not the base", opt)
		}
	}
}

func TestGrowErrors(t *testing.T) {
	m := biased(t)
	for tensor, rows := range map[string]int{"model.norm.weight": 16, "model.embed_tokens": 16, "model.embed_tokens.weight": 15} {
		if err := m.Grow(tensor, make([]float32, rows)); err == nil {
			t.Errorf("%s grows by %d values", tensor, rows)
		}
	}
}
