package generate_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/generate"
	"github.com/lowrank/lowrank/nn/llama"
	"github.com/lowrank/lowrank/nn/pretrained"
)

var tiny = llama.Config{
	HiddenSize: 16, IntermediateSize: 24, NumHiddenLayers: 2, NumAttentionHeads: 2, NumKeyValueHeads: 1, HeadDim: 8,
	RMSNormEps: 1e-5, RopeTheta: 1e4, VocabSize: 11, MaxPositionEmbeddings: 24,
}

func newModel(t testing.TB, cfg llama.Config) *llama.Model {
	t.Helper()
	m, err := llama.New(cfg, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range m.Params() { // far from uniform logits
		for i := range p.Floats() {
			p.Floats()[i] *= 12
		}
	}
	return m
}

// whole returns the logits that follow the ids, without a cache.
func whole(t testing.TB, m nn.Model, ids []int32) []float32 {
	t.Helper()
	c := &nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: len(ids), IDs: ids}
	var logits ag.Tensor
	if err := ag.Guard(func() { logits = m.Forward(c) }); err != nil {
		t.Fatal(err)
	}
	_, n := ag.Dims(logits)
	return ag.Floats(logits)[(len(ids)-1)*n:]
}

func largest(x []float32) int32 { return int32(slices.Index(x, slices.Max(x))) }

// TestGreedy: the tokens are those of the largest logits of the whole sequence,
// also where a window keeps what the cache has from being seen.
func TestGreedy(t *testing.T) {
	windowed := tiny
	windowed.SlidingWindow = 3
	for _, cfg := range []llama.Config{tiny, windowed} {
		m, ids := newModel(t, cfg), []int32{1, 5, 2}
		var told []int32
		got, err := generate.Sequence(m, ids, generate.Options{Tokens: 12}, func(id int32) bool { told = append(told, id); return true })
		if err != nil || len(got) != 12 || !slices.Equal(told, got) {
			t.Fatalf("%v, told %v, %v", got, told, err)
		}
		for _, id := range got {
			if want := largest(whole(t, m, ids)); id != want {
				t.Fatalf("after %v comes %d, want %d", ids, id, want)
			}
			ids = append(ids, id)
		}
	}
}

// TestRecorded: the tokens that transformers chose.
func TestRecorded(t *testing.T) {
	m, err := pretrained.Load("../llama/testdata")
	if err != nil {
		t.Fatal(err)
	}
	in, err := pretrained.ReadSafetensors("../llama/testdata/inputs.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	all, err := in.Ints("input_ids")
	if err != nil {
		t.Fatal(err)
	}
	want := []int32{196, 196, 166, 36, 39, 159, 129, 16, 5, 160, 146, 22, 179, 190, 96, 162, 191, 176}
	var prompt []int32
	for _, id := range all[:12] {
		prompt = append(prompt, int32(id))
	}
	n := 0 // the recorded sequence begins with as much of the prompt as is no padding
	for n < 12 && prompt[n] == want[n] {
		n++
	}
	got, err := generate.Sequence(m, prompt[:n], generate.Options{Tokens: len(want) - n}, nil)
	if err != nil || n == 0 || !slices.Equal(got, want[n:]) {
		t.Errorf("after %v: %v, %v, want %v", prompt[:n], got, err, want[n:])
	}
}

func TestStops(t *testing.T) {
	m := newModel(t, tiny)
	all, err := generate.Sequence(m, []int32{1}, generate.Options{Tokens: 10}, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.Index(all, all[4])
	got, err := generate.Sequence(m, []int32{1}, generate.Options{Tokens: 10, Stop: []int32{-1, all[4]}}, nil)
	if err != nil || !slices.Equal(got, all[:at+1]) {
		t.Errorf("%v, %v, want %v", got, err, all[:at+1])
	}
	got, err = generate.Sequence(m, []int32{1}, generate.Options{Tokens: 10}, func(int32) bool { return false })
	if err != nil || len(got) != 1 {
		t.Errorf("%v, %v, want one token", got, err)
	}
}

// TestSampling: tokens are drawn by their share of the probability, within what
// is kept; one seed draws the same ones.
func TestSampling(t *testing.T) {
	m, prompt := newModel(t, tiny), []int32{1, 5, 2}
	logits := whole(t, m, prompt)
	const temperature, draws = 1.5, 4000
	for _, o := range []generate.Options{{}, {TopK: 3}, {TopP: 0.6}, {TopK: 4, TopP: 0.7}, {TopP: 1}, {TopK: 100}} {
		o.Tokens, o.Temperature = 1, temperature
		want := shares(logits, temperature, o.TopK, o.TopP)
		count := make([]float64, len(logits))
		for seed := range uint64(draws) {
			o.Seed = seed
			got, err := generate.Sequence(m, prompt, o, nil)
			if err != nil {
				t.Fatal(err)
			}
			count[got[0]]++
		}
		for id, n := range count {
			// Five standard deviations of a binomial count.
			if slack := 5 * math.Sqrt(draws*want[id]*(1-want[id])); math.Abs(n-draws*want[id]) > slack {
				t.Errorf("top-k %d, top-p %g: token %d was drawn %v times, want %.0f ± %.0f", o.TopK, o.TopP, id, n, draws*want[id], slack)
			}
		}
	}
	o := generate.Options{Tokens: 12, Temperature: temperature, Seed: 5}
	a, err := generate.Sequence(m, prompt, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := generate.Sequence(m, prompt, o, nil)
	o.Seed++
	c, _ := generate.Sequence(m, prompt, o, nil)
	if !slices.Equal(a, b) || slices.Equal(a, c) {
		t.Errorf("seed 5 gives %v and %v, seed 6 %v", a, b, c)
	}
}

// shares are the probabilities by their definition.
func shares(logits []float32, temperature float64, k int, p float64) []float64 {
	type entry struct {
		id int
		p  float64
	}
	var all []entry
	var sum float64
	for id, z := range logits {
		all = append(all, entry{id, math.Exp(float64(z) / temperature)})
		sum += all[id].p
	}
	slices.SortFunc(all, func(a, b entry) int { return map[bool]int{true: -1, false: 1}[a.p > b.p] })
	if k > 0 {
		all = all[:min(k, len(all))]
		sum = 0
		for _, e := range all {
			sum += e.p
		}
	}
	if p > 0 {
		reached := 0.0
		for i, e := range all {
			if reached += e.p / sum; reached >= p {
				all = all[:i+1]
				break
			}
		}
	}
	sum = 0
	for _, e := range all {
		sum += e.p
	}
	out := make([]float64, len(logits))
	for _, e := range all {
		out[e.id] = e.p / sum
	}
	return out
}

func TestErrors(t *testing.T) {
	m := newModel(t, tiny)
	classifier := tiny
	classifier.Head, classifier.NumLabels, classifier.Problem = llama.SequenceHead, 2, nn.Classification
	for _, c := range []struct {
		m      nn.Model
		prompt []int32
		o      generate.Options
		want   string
	}{
		{m, nil, generate.Options{Tokens: 1}, "the prompt is empty"},
		{m, []int32{1}, generate.Options{}, "0 tokens"},
		{m, []int32{1}, generate.Options{Tokens: 1, Temperature: math.NaN()}, "temperature is NaN"},
		{m, []int32{1}, generate.Options{Tokens: 1, TopK: -1}, "top-k is -1"},
		{m, []int32{1}, generate.Options{Tokens: 1, TopP: 1.5}, "top-p is 1.5"},
		{m, []int32{11}, generate.Options{Tokens: 1}, "token id 11"},
		{m, []int32{1}, generate.Options{Tokens: 40}, "max_position_embeddings = 24"},
		{newModel(t, classifier), []int32{1}, generate.Options{Tokens: 1}, `the task "classification"`},
	} {
		_, err := generate.Sequence(c.m, c.prompt, c.o, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, %+v: error %v, want one line with %q", c.prompt, c.o, err, c.want)
		}
	}
}

func ExampleSequence() {
	m, err := llama.New(tiny, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	ids, err := generate.Sequence(m, []int32{1, 2, 3}, generate.Options{Tokens: 5, Temperature: 0.8, TopK: 4, Seed: 1}, nil)
	fmt.Println(len(ids), err)
	// Output: 5 <nil>
}
