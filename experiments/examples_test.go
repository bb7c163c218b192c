package experiments

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/experiments/data"
	"github.com/lowrank/lowrank/nn"
)

func TestApart(t *testing.T) {
	x := &examples{}
	for i := range 10 {
		x.add(example{line: i}, false)
	}
	train, held, err := x.apart(0.3)
	if err != nil || len(train) != 7 || len(held) != 3 {
		t.Errorf("have %d and %d, %v", len(train), len(held), err)
	}
	if held[0].line > 3 || held[2].line < 6 {
		t.Errorf("held out are %v", held)
	}
}

// Fifteen in a hundred tokens are hidden, eight in ten of them behind the mask.
func TestHide(t *testing.T) {
	s := &shelf{task: MaskedLM, words: &vocabulary{size: 1000, mask: 4}}
	e := example{}
	for i := range 100_000 {
		e.ids, e.labels = append(e.ids, int32(10+i%50)), append(e.labels, int32(10+i%50))
	}
	e.labels[0] = nn.Ignored
	ids, labels := slices.Clone(e.ids), slices.Clone(e.labels)
	n := s.hide(&e, s.random(1, "data", 7), ids, labels)
	if again := s.hide(&e, s.random(1, "data", 7), nil, nil); again != n {
		t.Errorf("counted %d, hid %d", again, n)
	}
	counted, masked, kept := 0, 0, 0
	for i := range ids {
		switch {
		case labels[i] < 0 && ids[i] != e.ids[i]:
			t.Fatalf("token %d is changed and not counted", i)
		case labels[i] < 0:
		default:
			counted++
			if ids[i] == 4 {
				masked++
			} else if ids[i] == e.ids[i] {
				kept++
			}
		}
	}
	near := func(what string, have, want float64) {
		if math.Abs(have-want) > 0.01 {
			t.Errorf("%s: %.3f, want %.3f", what, have, want)
		}
	}
	if counted != n {
		t.Errorf("%d labels, hid %d", counted, n)
	}
	near("hidden", float64(counted)/100_000, 0.15)
	near("behind the mask", float64(masked)/float64(counted), 0.8)
	near("as they are", float64(kept)/float64(counted), 0.1)
}

// The loss counts what follows the prompt, eos among it.
func TestFollow(t *testing.T) {
	f, err := openFolder(modelDir(t, "llama"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := f.vocabulary(32)
	if err != nil {
		t.Fatal(err)
	}
	p, from := w.follow("the light is", " white")
	if before := len(w.whole.Encode("the light is", true).IDs); p.cut || p.ids[0] != 1 || p.ids[len(p.ids)-1] != 2 || from != before {
		t.Errorf("have %v from %d, want from %d", p.ids, from, before)
	}
	table, err := data.ReadTable(dataFile(t, map[string]any{"prompt": "the light is", "target": " white"}))
	if err != nil {
		t.Fatal(err)
	}
	prompt, _ := table.Column("prompt")
	answer, _ := table.Column("target")
	said := &examples{}
	if err := (&encoder{task: CausalLM, words: w}).records(said, table, columns{text: prompt, pair: -1, label: -1, target: answer}); err != nil {
		t.Fatal(err)
	}
	for i, label := range said.list[0].labels {
		counts := i+1 >= from && i+1 < len(p.ids)
		if counts && label != p.ids[i+1] || !counts && label >= 0 {
			t.Errorf("have labels %v of %v, from %d", said.list[0].labels, p.ids, from)
			break
		}
	}
	whole := w.whole.Encode("the light is white", true)
	if !reflect.DeepEqual(p.ids[:len(p.ids)-1], int32s(whole.IDs)) {
		t.Errorf("have %v, want the tokens of the whole text %v", p.ids, whole.IDs)
	}
	n := &encoder{task: CausalLM, words: w}
	x := &examples{}
	n.windows(x, []string{"the light", "is white"})
	ids := append(slices.Clone(x.list[0].ids), x.list[0].labels[len(x.list[0].labels)-1])
	var want []int32
	for _, text := range []string{"the light", "is white"} {
		want = append(append(want, int32s(w.whole.Encode(text, true).IDs)...), 2)
	}
	if len(x.list) != 1 || !slices.Equal(ids, want) || !slices.Equal(x.list[0].labels, want[1:]) {
		t.Errorf("have windows %+v of %v", x.list, want)
	}
}

func TestScore(t *testing.T) {
	s := &score{task: nn.Classification, classifier: true, count: 4}
	s.add([]float32{2, 1, 0, 0, 3, 1, 0, 0, 1, 5, 4, 0}, nn.Labels{Classes: []int32{0, 1, 1, 0}}, 4, 4)
	// said 0 1 2 0, true 0 1 1 0: F1 are 1, 2/3, 0.
	for _, m := range s.measures()[1:] {
		if want := map[string]float64{"accuracy": 0.75, "macro_f1": 5.0 / 9}[m.name]; math.Abs(m.value-want) > 1e-12 {
			t.Errorf("%s is %v, want %v", m.name, m.value, want)
		}
	}
	r := &score{task: nn.Regression, classifier: true, count: 3, loss: 3}
	r.add([]float32{1, 2, 4, 9}, nn.Labels{Values: []float32{2, 4, 8, 0}}, 4, 3)
	if m := r.measures(); m[1] != (measure{"mse", 1}) || math.Abs(m[2].value-1) > 1e-12 {
		t.Errorf("have %v", m)
	}
	l := &score{task: nn.MultiLabel, classifier: true, count: 1}
	l.add([]float32{1, -1, 1, 1}, nn.Labels{Values: []float32{1, 0, 0, 1}}, 2, 2)
	if m := l.measures(); m[1].value != 0.5 || math.Abs(m[2].value-(2.0/3+1)/2) > 1e-12 {
		t.Errorf("have %v", m)
	}
}
