package lora_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/llama"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// testdata/combine holds a model of two linear maps, three adapters of it and
// what add_weighted_adapter of PEFT 0.21 made of them. In float32 its own sums
// and decompositions are good to about 1e-6; ΔW has entries of about one.
func TestCombineIsPEFTs(t *testing.T) {
	dir := filepath.Join("testdata", "combine")
	var cases map[string]struct {
		Sets    []string
		Weights []float64
		How     lora.Combination
		Rank, R int
	}
	b, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &cases))
	base, err := pretrained.ReadSafetensors(filepath.Join(dir, "model.safetensors"))
	require.NoError(t, err)
	combined, err := pretrained.ReadSafetensors(filepath.Join(dir, "combined.safetensors"))
	require.NoError(t, err)
	values := func(file *pretrained.Safetensors, name string) []float32 {
		x, err := file.Tensor(name)
		require.NoError(t, err)
		return x.Data
	}
	for name, c := range cases {
		model := newUpDown(t, 24, 16, 10, func(name string, _ ...int) ([]float32, error) { return values(base, name), nil })
		var sets []*lora.Set
		for _, s := range c.Sets {
			config, err := os.ReadFile(filepath.Join(dir, s, lora.ConfigFile))
			require.NoError(t, err)
			weights, err := os.ReadFile(filepath.Join(dir, s, lora.WeightsFile))
			require.NoError(t, err)
			set, err := lora.Load(model, config, weights)
			require.NoError(t, err)
			set.Remove()
			sets = append(sets, set)
		}
		got, err := lora.Combine(sets, c.Weights, c.How, c.Rank)
		require.NoError(t, err, name)
		for _, m := range got.Maps {
			want := values(combined, name+"."+m.Name)
			d := changes(t, got)[m.Name]
			near(t, name+": ΔW of "+m.Name, float32s(d), want, 1e-5, 0)
			assert.Equal(t, float32(1), m.Scaling)
			assert.LessOrEqual(t, m.Rank, c.R, name)
			if c.How == lora.CombineSVD {
				continue
			}
			// PEFT pads with components of zero where a map lacks a set.
			a, pb := values(combined, name+"."+m.Name+".A"), values(combined, name+"."+m.Name+".B")
			var b []float32
			for i := range m.Out {
				b = append(b, pb[i*c.R:i*c.R+m.Rank]...)
			}
			near(t, name+": A of "+m.Name, m.Factor("A").Floats(), a[:m.Rank*m.In], 1e-6, 1e-6)
			near(t, name+": B of "+m.Name, m.Factor("B").Floats(), b, 1e-6, 1e-6)
		}
	}
}

// What is the sum itself is so to the rounding of float32 factors, 6e-8 each.
func TestCombineIdentities(t *testing.T) {
	model := newUpDown(t, 20, 12, 9, random(1))
	one, two := plain(t, model, 4, 1), plain(t, model, 6, 2)
	other := plain(t, model, 4, 3)
	sum := map[string][]float64{}
	x, y := changes(t, one), changes(t, two)
	for name := range x {
		for i := range x[name] {
			sum[name] = append(sum[name], 0.7*x[name][i]-1.3*y[name][i])
		}
	}
	for _, c := range []struct {
		name    string
		sets    []*lora.Set
		weights []float64
		how     lora.Combination
		rank    int
		want    map[string][]float64
		ranks   []int
	}{
		{"cat", []*lora.Set{one, two}, []float64{0.7, -1.3}, lora.CombineCat, 0, sum, []int{10, 10}},
		{"svd of full rank", []*lora.Set{one, two}, []float64{0.7, -1.3}, lora.CombineSVD, 10, sum, []int{10, 9}},
		{"svd above it", []*lora.Set{one, two}, []float64{0.7, -1.3}, lora.CombineSVD, 99, sum, []int{10, 9}},
		{"svd of one", []*lora.Set{one}, []float64{1}, lora.CombineSVD, 0, x, []int{4, 4}},
		{"linear 1, 0", []*lora.Set{one, other}, []float64{1, 0}, lora.CombineLinear, 0, x, []int{4, 4}},
		{"cat 1, 0", []*lora.Set{one, two}, []float64{1, 0}, lora.CombineCat, 0, x, []int{10, 10}},
		{"svd 1, 0", []*lora.Set{one, two}, []float64{1, 0}, lora.CombineSVD, 4, x, []int{4, 4}},
	} {
		got, err := lora.Combine(c.sets, c.weights, c.how, c.rank)
		require.NoError(t, err, c.name)
		for i, m := range got.Maps {
			assert.Equal(t, c.ranks[i], m.Rank, "%s: %s", c.name, m.Name)
			assert.Less(t, distance(changes(t, got)[m.Name], c.want[m.Name]), 1e-6, "%s: %s", c.name, m.Name)
		}
		// Its files are those of the set, ranks that differ among them.
		config, weights, err := got.Files()
		require.NoError(t, err, c.name)
		again, err := lora.Load(model, config, weights)
		require.NoError(t, err, c.name)
		assert.Equal(t, got.State(), again.State(), c.name)
		again.Remove()
		require.NoError(t, got.Attach())
		got.Remove()
	}
}

// One of the sets may be attached; it stays so, with what it has trained whole.
func TestCombineWhileAttached(t *testing.T) {
	model := newUpDown(t, 20, 12, 9, random(1))
	method, err := lora.Row("lora")
	require.NoError(t, err)
	one := trained(t, model, method, lora.Options{Targets: lora.Targets{"up"}, Rank: 3, Alpha: 3, Bias: lora.AllBiases, Seed: 5})
	two := plain(t, model, 3, 2)
	before := append([]float32(nil), model.Params()[2].Floats()...)
	require.NoError(t, one.Attach())
	own := append([]float32(nil), model.Params()[2].Floats()...)
	require.NotEqual(t, before, own)

	got, err := lora.Combine([]*lora.Set{one, two}, []float64{1, 1}, lora.CombineCat, 0)
	require.NoError(t, err)
	assert.Equal(t, own, model.Params()[2].Floats())
	assert.Equal(t, any(one.Maps[0]), any(model.Linears()[0].Adapter))
	assert.Nil(t, model.Linears()[1].Adapter)
	require.Len(t, got.Maps, 2)
	assert.Equal(t, []int{6, 3}, []int{got.Maps[0].Rank, got.Maps[1].Rank})
	assert.Equal(t, own, got.State()["down.bias"])
	one.Remove()
	assert.Equal(t, before, model.Params()[2].Floats())
	require.NoError(t, got.Attach())
	assert.Equal(t, own, model.Params()[2].Floats())
	got.Remove()
	assert.Equal(t, before, model.Params()[2].Floats())
}

// Biases of the adapted maps are those of all maps that the result adapts: where
// the set that trains biases has none, the base's.
func TestCombineBiasesOfOtherMaps(t *testing.T) {
	b := nn.NewBuilder(random(1))
	b.Linear("up", 20, 12, true)
	b.Linear("down", 9, 20, true)
	body, err := b.Body()
	require.NoError(t, err)
	model := &upDown{body}
	method, err := lora.Row("lora")
	require.NoError(t, err)
	one := trained(t, model, method, lora.Options{Targets: lora.Targets{"down"}, Rank: 2, Alpha: 2, Bias: lora.AdaptedBiases})
	two := trained(t, model, method, lora.Options{Targets: lora.Targets{"up"}, Rank: 2, Alpha: 2})
	got, err := lora.Combine([]*lora.Set{two, one}, []float64{1, 1}, lora.CombineCat, 0)
	require.NoError(t, err)
	assert.Equal(t, model.Params()[1].Floats(), got.State()["up.bias"])
	assert.Equal(t, one.State()["down.bias"], got.State()["down.bias"])
	assert.NotEqual(t, model.Params()[3].Floats(), got.State()["down.bias"])
}

func TestCombineRefuses(t *testing.T) {
	model := newUpDown(t, 20, 12, 9, random(1))
	of := func(name string) *lora.Set {
		method, err := lora.Row(name)
		require.NoError(t, err)
		return trained(t, model, method, lora.Options{Rank: 4, Alpha: 8})
	}
	method, err := lora.Row("lora")
	require.NoError(t, err)
	biased := func() *lora.Set {
		return trained(t, model, method, lora.Options{Rank: 4, Alpha: 8, Bias: lora.AllBiases})
	}
	ownBias, err := lora.Compose(lora.Recipe{Options: map[string]float64{"bias": 1}})
	require.NoError(t, err)
	four, six := plain(t, model, 4, 1), plain(t, model, 6, 2)
	broken := plain(t, model, 4, 1)
	broken.Maps[1].Factor("B").Floats()[7] = float32(math.NaN())
	elsewhere := plain(t, newUpDown(t, 20, 12, 9, random(1)), 4, 1)
	merged := plain(t, newUpDown(t, 20, 12, 9, random(1)), 4, 1)
	require.NoError(t, merged.Attach())
	require.NoError(t, merged.Merge())
	for _, c := range []struct {
		sets    []*lora.Set
		weights []float64
		how     lora.Combination
		rank    int
		says    string
	}{
		{nil, nil, lora.CombineCat, 0, "0 sets, 0 weights"},
		{[]*lora.Set{four, six}, []float64{1}, lora.CombineCat, 0, "2 sets, 1 weights"},
		{[]*lora.Set{four, six}, []float64{1, 1}, lora.CombineLinear, 0, "up: rank is 4 in set 1, 6 in set 2: linear needs equal ranks, cat and svd do not"},
		{[]*lora.Set{four, six}, []float64{1, 1}, "ties", 0, `no combination is called "ties"; there are: linear, cat, svd`},
		{[]*lora.Set{four, six}, []float64{1, 1}, lora.CombineCat, 3, "rank is 3: only svd takes one"},
		{[]*lora.Set{four, six}, []float64{1, math.Inf(1)}, lora.CombineCat, 0, "weight 2 is +Inf"},
		{[]*lora.Set{four, six}, []float64{1, 1e300}, lora.CombineCat, 0, "beyond float32"},
		{[]*lora.Set{four, elsewhere}, []float64{1, 1}, lora.CombineCat, 0, "set 2 is of another model than set 1"},
		{[]*lora.Set{four, of("dora")}, []float64{1, 1}, lora.CombineCat, 0, "set 2 has delta dora: only plain LoRA can be combined: convert it first"},
		{[]*lora.Set{of("vera"), four}, []float64{1, 1}, lora.CombineCat, 0, "set 1 has delta vera"},
		{[]*lora.Set{four, of("mola")}, []float64{1, 1}, lora.CombineCat, 0, "set 2 has router mola, which weighs its experts for every token"},
		{[]*lora.Set{four, of("pissa")}, []float64{1, 1}, lora.CombineCat, 0, "set 2 has init pissa, whose start was taken out of the base"},
		{[]*lora.Set{trained(t, model, ownBias, lora.Options{Rank: 4, Alpha: 8})}, []float64{1}, lora.CombineCat, 0, "set 1 has a bias of its own (lora_bias)"},
		{[]*lora.Set{biased(), biased()}, []float64{1, 1}, lora.CombineCat, 0, "sets 1 and 2 both have tensors that are trained whole, such as down.bias"},
		{[]*lora.Set{four, broken}, []float64{1, 1}, lora.CombineCat, 0, "set 2: down: B: entry (1, 3) is NaN: must be finite"},
		{[]*lora.Set{merged}, []float64{1}, lora.CombineCat, 0, "unmerge first"},
	} {
		_, err := lora.Combine(c.sets, c.weights, c.how, c.rank)
		if assert.Error(t, err, c.says) {
			assert.Contains(t, err.Error(), c.says)
			assert.NotContains(t, err.Error(), "\n")
		}
	}
	require.NoError(t, four.Attach())
	_, err = lora.Combine([]*lora.Set{six}, []float64{1}, lora.CombineCat, 0)
	assert.ErrorContains(t, err, "up has an adapter of another set: remove it first")
	four.Remove()
	halves := func(target string) *lora.Set {
		return trained(t, model, method, lora.Options{Targets: lora.Targets{target}, Rank: 2, Alpha: 2})
	}
	up, down := halves("up"), halves("down")
	require.NoError(t, up.Attach())
	require.NoError(t, down.Attach())
	_, err = lora.Combine([]*lora.Set{up, down}, []float64{1, 1}, lora.CombineCat, 0)
	assert.ErrorContains(t, err, "2 of the sets are attached: must be one at most")
}

func ExampleCombine() {
	model, err := llama.New(llama.Config{
		HiddenSize: 16, IntermediateSize: 32, NumHiddenLayers: 2, NumAttentionHeads: 2, NumKeyValueHeads: 2,
		HeadDim: 8, RMSNormEps: 1e-5, RopeTheta: 1e4, VocabSize: 32, MaxPositionEmbeddings: 8,
	}, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	method, err := lora.Row("lora")
	if err != nil {
		fmt.Println(err)
		return
	}
	var sets []*lora.Set
	for _, rank := range []int{4, 6} {
		set, err := lora.Inject(model, method, lora.Options{Targets: lora.Targets{"q_proj", "v_proj"}, Rank: rank, Alpha: 8})
		if err != nil {
			fmt.Println(err)
			return
		}
		// … train …
		set.Remove()
		sets = append(sets, set)
	}
	both, err := lora.Combine(sets, []float64{0.5, 0.5}, lora.CombineCat, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(both.Maps), "maps of rank", both.Maps[0].Rank)
	_, err = lora.Combine(sets, []float64{0.5, 0.5}, lora.CombineLinear, 0)
	fmt.Println(strings.ReplaceAll(err.Error(), "model.layers.0.self_attn.", ""))
	// Output:
	// 4 maps of rank 10
	// lora: combine: q_proj: rank is 4 in set 1, 6 in set 2: linear needs equal ranks, cat and svd do not
}
