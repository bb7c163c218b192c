package lora_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// The adapters of every method, read without the base, are those that are read
// on it, in the product, the scaling and the shapes; or the error says that
// the base is needed.
func TestLoadAlone(t *testing.T) {
	alone := 0
	for _, method := range lora.Methods() {
		model := newUpDown(t, 20, 14, 9, random(1))
		opt := lora.Options{Rank: 3, Alpha: 7, RankPattern: map[string]int{"up": 5}, AlphaPattern: map[string]float64{"down": 2}, Bias: lora.AllBiases, Seed: 2}
		if method.Name == "adalora" || method.Name == "vera" {
			opt.RankPattern, opt.AlphaPattern = nil, nil
		}
		set := trained(t, model, method, opt)
		config, weights, err := set.Files()
		require.NoError(t, err, method.Name)
		got, err := lora.LoadAlone(config, weights)
		if err != nil {
			assert.ErrorIs(t, err, lora.ErrNeedsBase, method.Name)
			continue
		}
		alone++
		set.Remove()
		want, err := lora.Load(model, config, weights)
		require.NoError(t, err, method.Name)
		require.Len(t, got.Maps, len(want.Maps), method.Name)
		for _, w := range want.Maps {
			i := 0
			for got.Maps[i].Name != w.Name {
				i++
			}
			m := got.Maps[i]
			assert.Equal(t, []any{w.Out, w.In, w.Rank, w.Scaling}, []any{m.Out, m.In, m.Rank, m.Scaling}, method.Name)
			for j, f := range w.Factors {
				assert.Equal(t, f.Floats(), m.Factors[j].Floats(), "%s: %s", method.Name, f.Name)
			}
			form, err := m.Freestanding()
			whole, err2 := w.Freestanding()
			require.NoError(t, err2)
			if !whole.LowRank() {
				assert.ErrorContains(t, err, "depends on the weight", method.Name)
				continue
			}
			require.NoError(t, err, method.Name)
			assert.Nil(t, form.Gain)
			assert.Equal(t, ag.Floats(whole.A), ag.Floats(form.A), method.Name)
			assert.Equal(t, ag.Floats(whole.B), ag.Floats(form.B), method.Name)
		}
	}
	assert.Greater(t, alone, 10, "methods that can be read alone")
}

// What is not of the adapter is passed over, and what is too much of it is not.
func TestLoadAloneIsStrict(t *testing.T) {
	model := newUpDown(t, 20, 14, 9, random(1))
	method, err := lora.Row("lora")
	require.NoError(t, err)
	config, weights, err := trained(t, model, method, lora.Options{Rank: 3, Alpha: 7}).Files()
	require.NoError(t, err)
	replaced := func(b []byte, old, with string) []byte {
		require.Contains(t, string(b), old)
		return bytes.ReplaceAll(b, []byte(old), []byte(with))
	}
	for _, c := range []struct {
		config, weights []byte
		want            string
	}{
		{config, replaced(weights, "up.lora_A.weight", "xp.lora_A.weight"), "it does not tell the shape of"},
		{replaced(config, `"r": 3`, `"r": 4`), weights, "base_model.model.down.lora_A.weight is [3 20]: must be [4 20]"},
		{replaced(config, `"up"`, `"no"`), weights, "base_model.model.up.lora_A.weight [3 14] is unexpected"},
		{replaced(config, `"init_lora_weights": true`, `"init_lora_weights": "pissa"`), weights, `init_lora_weights is "pissa": its start was taken out of the base: the base is needed`},
		{config, weights[:9], "bytes"},
		{[]byte("{}"), weights, "peft_type"},
	} {
		_, err := lora.LoadAlone(c.config, c.weights)
		assert.ErrorContains(t, err, c.want)
	}
}

// Names have their numbers in order, and shapes come from tables and windows
// as from plain maps.
func TestLoadAloneShapes(t *testing.T) {
	var tensors []pretrained.Tensor
	add := func(name string, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		tensors = append(tensors, pretrained.Tensor{Name: "base_model.model." + name, Shape: shape, Data: make([]float32, n)})
	}
	for _, name := range []string{"layers.10.q", "layers.2.q"} {
		add(name+".lora_A.weight", 2, 5)
		add(name+".lora_B.weight", 7, 2)
	}
	add("embed.lora_embedding_A", 2, 11)
	add("embed.lora_embedding_B", 5, 2)
	add("conv.lora_A.weight", 2, 3, 4, 4)
	add("conv.lora_B.weight", 6, 2, 1, 1)
	add("head.weight", 2, 2)
	var weights bytes.Buffer
	require.NoError(t, pretrained.WriteSafetensors(&weights, tensors, nil))
	set, err := lora.LoadAlone([]byte(`{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q", "embed", "conv"], "modules_to_save": ["head"]}`), weights.Bytes())
	require.NoError(t, err)
	type shape struct {
		name    string
		out, in int
		kind    nn.Kind
		kernel  []int
	}
	var got []shape
	for _, m := range set.Maps {
		got = append(got, shape{m.Name, m.Out, m.In, m.Kind, m.Kernel})
	}
	assert.Equal(t, []shape{
		{"conv", 6, 48, nn.Convolution, []int{3, 4, 4}}, {"embed", 5, 11, nn.Table, nil},
		{"layers.2.q", 7, 5, nn.Dense, nil}, {"layers.10.q", 7, 5, nn.Dense, nil},
	}, got)
}
