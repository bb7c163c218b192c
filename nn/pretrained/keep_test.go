package pretrained

import (
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/nn"
)

// A model in a format computes, bit for bit, what one does whose weights have the
// values that the format stands for; so does its copy, which shares them.
func TestLoadKept(t *testing.T) {
	for _, dir := range []string{recorded, "../gpt2/testdata/lm"} {
		for d := kernels.F32; d <= kernels.NF4; d++ {
			m, err := LoadKept(dir, d, nil)
			if err != nil {
				t.Fatal(err)
			}
			plain, err := Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			maps := 0
			for i, l := range m.Linears() {
				s := l.W.Values().Stored
				if kept := l.Kind == nn.Dense && !l.Output && d != kernels.F32; kept != (s != nil) || kept && s.Format != d {
					t.Errorf("%s as %s: %s is kept as %v", dir, d, l.Name, s)
				}
				if s != nil {
					maps++
					plain.Linears()[i].SetWeight(l.Weight())
				}
			}
			if maps == 0 && d != kernels.F32 {
				t.Errorf("%s as %s: nothing is kept", dir, d)
			}
			want := forward(t, plain)
			for _, model := range []nn.Model{m, m.Clone()} {
				if got := forward(t, model); !slices.Equal(got, want) {
					t.Errorf("%s as %s: other outputs than of its values", dir, d)
				}
			}
			for i, l := range m.Clone().Linears() {
				if s := l.W.Values().Stored; s != m.Linears()[i].W.Values().Stored {
					t.Errorf("%s as %s: %s is no longer shared", dir, d, l.Name)
				}
			}
		}
	}
}

// What no format of few bits can hold is an error that names the tensor.
func TestLoadKeptNotFinite(t *testing.T) {
	k := &keeper{format: kernels.NF4}
	_, err := k.Keep("a.weight", 1, 2, ag.Values{Floats: []float32{1, float32(1) / zero}})
	if err == nil || !strings.Contains(err.Error(), "a.weight as nf4") {
		t.Errorf("an infinite weight: %v", err)
	}
}

var zero float32

func forward(t *testing.T, m nn.Model) []float32 {
	t.Helper()
	var y ag.Tensor
	err := ag.Guard(func() {
		y = m.Forward(&nn.Context{Tape: ag.NewTape(), Batch: 2, Tokens: 3, IDs: []int32{1, 2, 3, 4, 5, 0}})
	})
	if err != nil {
		t.Fatal(err)
	}
	return ag.Floats(y)
}
