package pretrained

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

// tiny are configurations of every family, of two blocks.
var tiny = map[string]string{
	"bert":       bertLike("bert", "BertModel", `"type_vocab_size": 2`),
	"roberta":    bertLike("roberta", "RobertaModel", `"type_vocab_size": 1, "pad_token_id": 1`),
	"distilbert": distilbertLike("DistilBertModel"),
	"gpt2":       gpt2Like("GPT2LMHeadModel", ""),
	"llama":      llamaLike("llama", "LlamaForCausalLM", ""),
	"mistral":    llamaLike("mistral", "MistralForCausalLM", `, "sliding_window": 3`),
	"qwen2":      llamaLike("qwen2", "Qwen2ForCausalLM", ""),
	"qwen3":      llamaLike("qwen3", "Qwen3ForCausalLM", ""),
	"t5": `{"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "d_ff": 12, "d_kv": 4, "d_model": 8, "decoder_start_token_id": 0,
		"feed_forward_proj": "gated-gelu", "is_encoder_decoder": true, "layer_norm_epsilon": 1e-6, "num_decoder_layers": 2, "num_heads": 2, "num_layers": 2,
		"pad_token_id": 0, "relative_attention_max_distance": 8, "relative_attention_num_buckets": 4, "tie_word_embeddings": false, "vocab_size": 17}`,
	"vit":               visionLike("vit", "ViTModel", ""),
	"clip_vision_model": visionLike("clip_vision_model", "CLIPVisionModel", ""),
}

func bertLike(model, architecture, more string) string {
	return `{"model_type": "` + model + `", "architectures": ["` + architecture + `"], "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2,
		"num_attention_heads": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "max_position_embeddings": 16, "vocab_size": 17, ` + more + `}`
}

func distilbertLike(architecture string) string {
	return `{"model_type": "distilbert", "architectures": ["` + architecture + `"], "dim": 8, "hidden_dim": 12, "n_layers": 2, "n_heads": 2, "vocab_size": 17,
		"max_position_embeddings": 16, "activation": "gelu", "sinusoidal_pos_embds": false, "pad_token_id": 0}`
}

func gpt2Like(architecture, more string) string {
	return `{"model_type": "gpt2", "architectures": ["` + architecture + `"], "n_embd": 8, "n_layer": 2, "n_head": 2, "vocab_size": 17, "n_positions": 16,
		"activation_function": "gelu_new", "layer_norm_epsilon": 1e-5` + more + `}`
}

func llamaLike(model, architecture, more string) string {
	return `{"model_type": "` + model + `", "architectures": ["` + architecture + `"], "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2,
		"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4, "rms_norm_eps": 1e-5, "rope_theta": 10000, "vocab_size": 17,
		"max_position_embeddings": 16, "tie_word_embeddings": true, "hidden_act": "silu"` + more + `}`
}

func visionLike(model, architecture, more string) string {
	return `{"model_type": "` + model + `", "architectures": ["` + architecture + `"], "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2,
		"num_attention_heads": 2, "hidden_act": "quick_gelu", "image_size": 4, "patch_size": 2, "num_channels": 3` + more + `}`
}

// Without the activations of its blocks a model of any family has the outputs and
// the gradients of all its tensors that it has with them, bit for bit, in the first
// pass and in those that follow; what stands between the blocks stays to be seen.
func TestBlocks(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(families)) {
		t.Run(name, func(t *testing.T) {
			var passes [2][][]float32
			var bytes [2]int
			for i := range passes {
				model, rng := drawn(t, name, tiny[name])
				model.(interface{ SetTrained(bool) }).SetTrained(true)
				c := inputs(model, rng)
				c.Tape, c.Checkpoint = ag.NewTape(), i == 1
				var loss ag.Tensor
				if err := ag.Guard(func() {
					y := model.Forward(c)
					rows, cols := ag.Dims(y)
					loss = c.Run(ag.NewMeanSquare(y, draw(rng, rows*cols)))
				}); err != nil {
					t.Fatal(err)
				}
				for pass := range 3 {
					if pass > 0 {
						c.Replay()
					}
					if err := c.Backward(loss); err != nil {
						t.Fatal(err)
					}
					passes[i] = append(passes[i], slices.Clone(ag.Floats(loss)))
					for _, x := range c.Hidden {
						passes[i] = append(passes[i], slices.Clone(ag.Floats(x)))
					}
					for _, p := range model.Params() {
						passes[i] = append(passes[i], slices.Clone(p.GradFloats()))
						p.ZeroGrad()
					}
				}
				bytes[i] = c.Bytes()
			}
			for i, want := range passes[0] {
				if !slices.Equal(passes[1][i], want) {
					t.Errorf("tensor %d of %d differs", i, len(passes[0]))
				}
			}
			if bytes[1] >= bytes[0] {
				t.Errorf("%d bytes, and %d with all activations", bytes[1], bytes[0])
			}
		})
	}
}

// drawn returns the model of a configuration with random values, always the same, and
// where they came from.
func drawn(t *testing.T, family, config string) (nn.Model, *rand.Rand) {
	t.Helper()
	build, err := families[family].read([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	model, err := build(nn.Floats(func(_ string, shape ...int) ([]float32, error) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		return draw(rng, n), nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return model, rng
}

func draw(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(0.5 * rng.NormFloat64())
	}
	return x
}

// inputs are a batch of two that fits a tiny model.
func inputs(model nn.Model, rng *rand.Rand) *nn.Context {
	const batch, tokens = 2, 5
	ids := func() []int32 {
		x := make([]int32, batch*tokens)
		for i := range x {
			x[i] = 2 + rng.Int32N(15)
		}
		return x
	}
	c := &nn.Context{Batch: batch, Tokens: tokens, IDs: ids()}
	c.Decoder = &nn.Context{Batch: batch, Tokens: tokens, IDs: ids()}
	if images := (&nn.Context{Batch: batch, Pixels: ag.NewVariable(batch, 3*4*4, draw(rng, batch*3*4*4))}); model.Check(c) != nil {
		return images
	}
	return c
}
