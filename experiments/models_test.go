package experiments

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/bert"
	"github.com/lowrank/lowrank/nn/llama"
	"github.com/lowrank/lowrank/nn/pretrained"
	"github.com/lowrank/lowrank/nn/t5"
	"github.com/lowrank/lowrank/nn/vit"
)

// Tiny models of each kind, for the tokenizers of 2,000 tokens that package
// tokenizer has in its testdata.
var tinyModels = map[string]struct {
	tokenizer string // of nn/tokenizer/testdata
	special   string // special_tokens_map.json
	config    string
}{
	"llama": {"llama2", `{"eos_token": {"content": "</s>"}}`, `{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 32,
		"intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "rms_norm_eps": 1e-5,
		"rope_theta": 10000, "vocab_size": 2000, "max_position_embeddings": 64, "tie_word_embeddings": false, "hidden_act": "silu", "eos_token_id": 2}`},
	"bert":        {"bert", `{"mask_token": "[MASK]", "pad_token": "[PAD]"}`, bertConfig("BertModel")},
	"masked bert": {"bert", `{"mask_token": "[MASK]", "pad_token": "[PAD]"}`, bertConfig("BertForMaskedLM")},
	"t5": {"albert", `{"eos_token": "</s>"}`, `{"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "d_ff": 48, "d_kv": 8, "d_model": 32,
		"decoder_start_token_id": 0, "dropout_rate": 0.0, "eos_token_id": 1, "feed_forward_proj": "relu", "is_encoder_decoder": true,
		"layer_norm_epsilon": 1e-6, "num_decoder_layers": 2, "num_heads": 4, "num_layers": 2, "pad_token_id": 0, "relative_attention_max_distance": 32,
		"relative_attention_num_buckets": 8, "tie_word_embeddings": true, "vocab_size": 2000}`},
	"vit": {"", "", `{"model_type": "vit", "architectures": ["ViTModel"], "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
		"num_attention_heads": 4, "hidden_act": "gelu", "image_size": 16, "patch_size": 8, "num_channels": 3, "qkv_bias": true}`},
}

func bertConfig(architecture string) string {
	return `{"model_type": "bert", "architectures": ["` + architecture + `"], "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
		"num_attention_heads": 4, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "max_position_embeddings": 64, "pad_token_id": 0,
		"type_vocab_size": 2, "vocab_size": 2000}`
}

// modelDir writes a tiny model with random weights.
func modelDir(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), strings.ReplaceAll(name, " ", "_"))
	m := tinyModels[name]
	model, err := buildTiny([]byte(m.config), randomSource(5))
	if err != nil {
		t.Fatal(err)
	}
	err = pretrained.Save(func(file string, write func(io.Writer) error) error {
		var b strings.Builder
		if err := write(&b); err != nil {
			return err
		}
		return writeBytes(filepath.Join(dir, file), []byte(b.String()))
	}, json.RawMessage(m.config), model)
	if err != nil {
		t.Fatal(err)
	}
	put := func(file, text string) {
		if err := writeBytes(filepath.Join(dir, file), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if m.tokenizer == "" {
		put("preprocessor_config.json", `{"image_processor_type": "ViTImageProcessor", "size": {"height": 16, "width": 16}}`)
		return dir
	}
	put("special_tokens_map.json", m.special)
	put("tokenizer.json", tokenizerFile(t, m.tokenizer))
	return dir
}

func tokenizerFile(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open("../nn/tokenizer/testdata/" + name + ".tokenizer.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// randomSource gives weights large enough that what a model says depends on
// what it reads.
func randomSource(seed uint64) nn.Source {
	rng := rand.New(rand.NewPCG(seed, 0))
	return nn.Floats(func(name string, shape ...int) ([]float32, error) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		w := make([]float32, n)
		for i := range w {
			switch {
			case strings.HasSuffix(name, ".bias"):
			case len(shape) == 1:
				w[i] = 1
			case name == "shared.weight": // as T5 starts, whose head divides by √C
				w[i] = float32(rng.NormFloat64())
			default:
				w[i] = float32(0.15 * rng.NormFloat64())
			}
		}
		return w, nil
	})
}

func buildTiny(config []byte, source nn.Source) (nn.Model, error) {
	var kind struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(config, &kind); err != nil {
		return nil, err
	}
	switch kind.ModelType {
	case "llama":
		var c llama.Config
		if err := json.Unmarshal(config, &c); err != nil {
			return nil, err
		}
		return llama.Build(c, source)
	case "bert":
		var c bert.Config
		if err := json.Unmarshal(config, &c); err != nil {
			return nil, err
		}
		return bert.Build(c, source)
	case "t5":
		var c t5.Config
		if err := json.Unmarshal(config, &c); err != nil {
			return nil, err
		}
		return t5.Build(c, source)
	case "vit":
		var c vit.Config
		if err := json.Unmarshal(config, &c); err != nil {
			return nil, err
		}
		return vit.Build(c, source)
	}
	return nil, fmt.Errorf("no %s", kind.ModelType)
}

// dataFile writes records as JSONL.
func dataFile(t *testing.T, records ...map[string]any) string {
	t.Helper()
	var text strings.Builder
	for _, r := range records {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&text, string(b))
	}
	return textFile(t, "data.jsonl", text.String())
}

func textFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// opinions are n records that two words tell apart.
func opinions(n int) []map[string]any {
	rng := rand.New(rand.NewPCG(1, 1))
	things := strings.Fields("light glass ray colour prism water air paper")
	var records []map[string]any
	for range n {
		good := rng.IntN(2) == 1
		word, label, value := "dark", "bad", -1.0
		if good {
			word, label, value = "white", "good", 1.5
		}
		text := fmt.Sprintf("the %s of the %s is %s", things[rng.IntN(8)], things[rng.IntN(8)], word)
		if rng.IntN(2) == 1 {
			text = fmt.Sprintf("it is %s and that is all", word)
		}
		topics := []string{label}
		if strings.Contains(text, "the") {
			topics = append(topics, "long")
		}
		records = append(records, map[string]any{"text": text, "label": label, "score": value, "topics": topics,
			"prompt": text + " :", "answer": " " + label + " light", "second": "the " + word})
	}
	return records
}

// imageDir writes a folder of images of two colours.
func imageDir(t *testing.T, each int) string {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(2, 2))
	for class, c := range map[string]color.RGBA{"blue": {20, 40, 220, 255}, "red": {220, 40, 20, 255}} {
		for i := range each {
			img := image.NewRGBA(image.Rect(0, 0, 20, 24))
			for y := range 24 {
				for x := range 20 {
					img.Set(x, y, color.RGBA{c.R + uint8(rng.IntN(30)), c.G, c.B + uint8(rng.IntN(30)), 255})
				}
			}
			path := filepath.Join(dir, class, fmt.Sprintf("%02d.png", i))
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := png.Encode(f, img); err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
	}
	return dir
}
