package lora_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/nn/llama"
)

// rounding bounds the relative error of a product of float32 factors: each
// entry of each is good to 6e-8, and so is W' from which a full ΔW is taken,
// which is up to ten times as large here.
const rounding = 1e-6

// sigmas returns the singular values of x, out×in.
func sigmas(t *testing.T, out, in int, x []float64) []float64 {
	t.Helper()
	var svd mat.SVD
	require.True(t, svd.Factorize(mat.NewDense(out, in, x), mat.SVDNone))
	return svd.Values(nil)
}

// kept returns the part of the squares that the first k have.
func kept(s []float64, k int) float64 {
	var sum, all float64
	for i, v := range s {
		all += v * v
		if i < k {
			sum += v * v
		}
	}
	return sum / all
}

// Every method of the table becomes plain LoRA: exactly where ΔW is a product
// of factors; and at any rank as the singular values of ΔW say.
func TestConvertEveryMethod(t *testing.T) {
	const rank = 3
	for _, method := range lora.Methods() {
		full := method.Delta == delta.DoRA{} || method.Name == "hira" || method.Delta == delta.Full{} || method.Name == "loftq"
		model := newUpDown(t, 20, 14, 9, random(1))
		set := trained(t, model, method, lora.Options{Rank: rank, Alpha: 7, Bias: lora.AdaptedBiases, Seed: 2})
		if method.Router != nil {
			_, _, err := lora.Convert(set, 0, 0)
			assert.ErrorContains(t, err, "router "+method.Name+" weighs its experts for every token")
			continue
		}
		want := changes(t, set)
		for _, c := range []struct {
			rank   int
			energy float64
		}{{0, 0}, {99, 0}, {2, 0}, {0, 0.8}, {1, 0.8}, {0, 1}} {
			name := fmt.Sprintf("%s at %d, %v", method.Name, c.rank, c.energy)
			got, list, err := lora.Convert(set, c.rank, c.energy)
			if full && c.rank == 0 && c.energy == 0 {
				require.ErrorIs(t, err, lora.ErrNoRank, name)
				continue
			}
			require.NoError(t, err, name)
			assert.Equal(t, "lora", got.Method.Name, name)
			assert.Equal(t, set.State()["down.bias"], got.State()["down.bias"], name)
			have := changes(t, got)
			for i, m := range got.Maps {
				d, s := want[m.Name], sigmas(t, m.Out, m.In, want[m.Name])
				most := min(m.Out, m.In)
				if c.rank > 0 {
					most = min(most, c.rank)
				}
				report := list[i]
				assert.Equal(t, []any{m.Name, m.Out, m.In, m.Rank}, []any{report.Map, report.Out, report.In, report.Rank}, name)
				assert.Equal(t, float32(1), m.Scaling, name)
				assert.LessOrEqual(t, m.Rank, most, name)
				assert.InDelta(t, kept(s, m.Rank), report.Energy, rounding, name)
				assert.InDelta(t, distance(have[m.Name], d), report.Residual, rounding, name)
				assert.InDelta(t, math.Sqrt(max(0, 1-kept(s, m.Rank))), report.Residual, 2e-3, "%s: no better than the best", name)
				switch {
				case c.energy > 0 && c.energy < 1 && m.Rank < most:
					assert.GreaterOrEqual(t, kept(s, m.Rank), c.energy-rounding, name)
					fallthrough
				case c.energy > 0 && c.energy < 1:
					assert.Less(t, kept(s, m.Rank-1), c.energy+rounding, "%s: a smaller rank would do", name)
				case c.rank == 0 || c.rank > 2:
					assert.Less(t, report.Residual, rounding, name)
				}
			}
			config, weights, err := got.Files()
			require.NoError(t, err, name)
			again, err := lora.Load(model, config, weights)
			require.NoError(t, err, name)
			assert.Equal(t, got.State(), again.State(), name)
			again.Remove()
		}
	}
}

// A start that was taken out of the base becomes twice the rank on the base as
// it is, and the scaling of a power of two rounds nothing. While the set is
// attached, all is as before.
func TestConvertIsExact(t *testing.T) {
	for _, name := range []string{"lora", "pissa", "olora", "lora-ga"} {
		model := newUpDown(t, 20, 14, 16, random(1))
		method, err := lora.Row(name)
		require.NoError(t, err)
		set := trained(t, model, method, lora.Options{Rank: 2, Alpha: 8, Seed: 2})
		require.NoError(t, set.Attach())
		want, state := changes(t, set), set.State()
		got, list, err := lora.Convert(set, 0, 0)
		require.NoError(t, err)
		assert.Equal(t, any(set.Maps[1]), any(model.Linears()[1].Adapter))
		assert.Equal(t, state, set.State())
		for i, m := range got.Maps {
			double := 4
			if name == "lora" {
				double = 2
			}
			assert.Equal(t, double, m.Rank, name)
			assert.Equal(t, 1.0, list[i].Energy, name)
			assert.Equal(t, 0.0, list[i].Residual, name)
			assert.Less(t, distance(changes(t, got)[m.Name], want[m.Name]), 1e-15, name)
		}
	}
}

// Components without effect are left out, and a map without any keeps one.
func TestConvertDropsZeros(t *testing.T) {
	model := newUpDown(t, 20, 14, 9, random(1))
	method, err := lora.Row("adalora")
	require.NoError(t, err)
	set := trained(t, model, method, lora.Options{Rank: 4, Alpha: 8}) // starts at 6
	clear(set.Maps[0].Factor("E").Floats()[1:4])
	clear(set.Maps[1].Factor("E").Floats())
	got, list, err := lora.Convert(set, 0, 0)
	require.NoError(t, err)
	assert.Equal(t, []int{3, 1}, []int{got.Maps[0].Rank, got.Maps[1].Rank})
	assert.Equal(t, lora.Conversion{Map: "down", Out: 9, In: 20, Rank: 1, Energy: 1}, list[1])
	assert.Less(t, distance(changes(t, got)["up"], changes(t, set)["up"]), rounding)

	row, err := lora.Row("full")
	require.NoError(t, err)
	nothing, err := lora.Inject(model, row, lora.Options{Rank: 1, Alpha: 1})
	require.NoError(t, err)
	_, list, err = lora.Convert(nothing, 0, 0.9)
	require.NoError(t, err)
	assert.Equal(t, lora.Conversion{Map: "up", Out: 20, In: 14, Rank: 1, Energy: 1}, list[0])
}

// A bias that the adapter has of its own is carried over with its scaling.
func TestConvertOwnBias(t *testing.T) {
	model := newUpDown(t, 20, 14, 9, random(1))
	method, err := lora.Compose(lora.Recipe{Method: "rslora", Options: map[string]float64{"bias": 1}})
	require.NoError(t, err)
	set := trained(t, model, method, lora.Options{Rank: 4, Alpha: 8})
	got, _, err := lora.Convert(set, 2, 0)
	require.NoError(t, err)
	for i, x := range set.Maps[0].Factor("shift").Floats() {
		assert.Equal(t, 4*x, got.Maps[0].Factor("shift").Floats()[i])
	}
	config, weights, err := got.Files()
	require.NoError(t, err)
	_, err = lora.Load(model, config, weights)
	require.NoError(t, err)
}

// Beyond 512 rows or columns the decomposition is randomized: the residual is
// still the best there is, to a few hundredths, of a ΔW whose singular values
// fall slowly.
func TestConvertLarge(t *testing.T) {
	model := newUpDown(t, 640, 96, 9, random(1))
	method, err := lora.Row("hira")
	require.NoError(t, err)
	set := trained(t, model, method, lora.Options{Targets: lora.Targets{"up"}, Rank: 2, Alpha: 8})
	want := changes(t, set)["up"]
	s := sigmas(t, 640, 96, want)
	for _, rank := range []int{4, 40, 80} { // the last one is decomposed exactly
		got, list, err := lora.Convert(set, rank, 0)
		require.NoError(t, err)
		best := math.Sqrt(1 - kept(s, rank))
		assert.InEpsilon(t, best, list[0].Residual, 0.02)
		assert.GreaterOrEqual(t, list[0].Residual, best-rounding)
		assert.InDelta(t, distance(changes(t, got)["up"], want), list[0].Residual, rounding)
		assert.InDelta(t, kept(s, rank), list[0].Energy, 0.01)
	}
	for _, energy := range []float64{0.3, 0.9, 0.999} {
		_, list, err := lora.Convert(set, 0, energy)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, list[0].Energy, energy)
		assert.InDelta(t, math.Sqrt(1-list[0].Energy), list[0].Residual, 0.01)
		r := list[0].Rank
		assert.Less(t, kept(s, r-3), energy, "a rank that is smaller by more than the sampling errs would do")
	}
}

func TestConvertRefuses(t *testing.T) {
	model := newUpDown(t, 20, 14, 9, random(1))
	set := plain(t, model, 4, 1)
	for _, c := range []struct {
		rank   int
		energy float64
		says   string
	}{
		{-1, 0, "rank is -1: must not be negative"},
		{0, 1.5, "energy is 1.5: must be in 0..1"},
		{0, math.NaN(), "energy is NaN"},
	} {
		_, _, err := lora.Convert(set, c.rank, c.energy)
		assert.ErrorContains(t, err, c.says)
	}
	for _, name := range []string{"lora", "dora"} {
		method, err := lora.Row(name)
		require.NoError(t, err)
		broken := trained(t, model, method, lora.Options{Rank: 4, Alpha: 8})
		broken.Maps[1].Factor("A").Floats()[3] = float32(math.Inf(1))
		_, _, err = lora.Convert(broken, 2, 0)
		assert.ErrorContains(t, err, "lora: convert: down: ", name)
	}
	require.NoError(t, set.Attach())
	require.NoError(t, set.Merge())
	_, _, err := lora.Convert(set, 0, 0)
	assert.ErrorContains(t, err, "unmerge first")
}

func ExampleConvert() {
	model, err := llama.New(llama.Config{
		HiddenSize: 16, IntermediateSize: 32, NumHiddenLayers: 1, NumAttentionHeads: 2, NumKeyValueHeads: 2,
		HeadDim: 8, RMSNormEps: 1e-5, RopeTheta: 1e4, VocabSize: 32, MaxPositionEmbeddings: 8,
	}, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	method, err := lora.Row("pissa")
	if err != nil {
		fmt.Println(err)
		return
	}
	set, err := lora.Inject(model, method, lora.Options{Targets: lora.Targets{"q_proj"}, Rank: 2, Alpha: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	b := set.Maps[0].Factor("B").Floats()
	for i := range b { // as if it were trained
		b[i] *= 1.5
	}
	plain, list, err := lora.Convert(set, 0, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range list {
		fmt.Printf("%s: rank %d of %s, residual %.0e\n", c.Map, c.Rank, plain.Method.Name, c.Residual)
	}
	// Output: model.layers.0.self_attn.q_proj: rank 4 of lora, residual 0e+00
}
