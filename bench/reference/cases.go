package reference

import "github.com/lowrank/lowrank/lora"

// An adapterCase is one way to adapt a tiny model, in our words and in PEFT's.
type adapterCase struct {
	model   string // the folder, by the family's name
	name    string
	recipe  lora.Recipe
	options lora.Options
	peft    map[string]any // of a LoraConfig, less rank and alpha
}

// The rank and alpha of all cases: s is not 1, and α/r is not α/√r.
const rank, alpha = 4, 12

var cases = []adapterCase{
	{"llama", "lora", lora.Recipe{}, lora.Options{Targets: lora.Targets{"q_proj", "v_proj", "down_proj"}},
		map[string]any{"target_modules": []string{"q_proj", "v_proj", "down_proj"}}},
	{"llama", "all-linear", lora.Recipe{}, lora.Options{},
		map[string]any{"target_modules": "all-linear"}},
	{"llama", "rslora", lora.Recipe{Method: "rslora"}, lora.Options{Targets: lora.Targets{"q_proj", "up_proj"}},
		map[string]any{"target_modules": []string{"q_proj", "up_proj"}, "use_rslora": true}},
	{"llama", "dora", lora.Recipe{Method: "dora"}, lora.Options{Targets: lora.Targets{"q_proj", "k_proj"}},
		map[string]any{"target_modules": []string{"q_proj", "k_proj"}, "use_dora": true}},
	{"llama", "pissa", lora.Recipe{Method: "pissa"}, lora.Options{Targets: lora.Targets{"q_proj", "o_proj"}},
		map[string]any{"target_modules": []string{"q_proj", "o_proj"}, "init_lora_weights": "pissa"}},
	{"llama", "pissa converted", lora.Recipe{Method: "pissa"}, lora.Options{Targets: lora.Targets{"gate_proj"}},
		map[string]any{"target_modules": []string{"gate_proj"}, "init_lora_weights": "pissa", "convert": true}},
	{"llama", "olora", lora.Recipe{Method: "olora"}, lora.Options{Targets: lora.Targets{"q_proj", "gate_proj"}},
		map[string]any{"target_modules": []string{"q_proj", "gate_proj"}, "init_lora_weights": "olora"}},
	{"llama", "olora converted", lora.Recipe{Method: "olora"}, lora.Options{Targets: lora.Targets{"v_proj"}},
		map[string]any{"target_modules": []string{"v_proj"}, "init_lora_weights": "olora", "convert": true}},
	{"llama", "dora on pissa", lora.Recipe{Delta: "dora", Init: "pissa"}, lora.Options{Targets: lora.Targets{"q_proj"}},
		map[string]any{"target_modules": []string{"q_proj"}, "use_dora": true, "init_lora_weights": "pissa"}},
	{"llama", "lora_bias", lora.Recipe{Options: map[string]float64{"bias": 1}}, lora.Options{Targets: lora.Targets{"q_proj"}},
		map[string]any{"target_modules": []string{"q_proj"}, "lora_bias": true}},
	{"llama", "embeddings", lora.Recipe{}, lora.Options{Targets: lora.Targets{"embed_tokens", "q_proj", "lm_head"}},
		map[string]any{"target_modules": []string{"embed_tokens", "q_proj", "lm_head"}}},
	{"llama", "dora of embeddings", lora.Recipe{Method: "dora"}, lora.Options{Targets: lora.Targets{"embed_tokens"}},
		map[string]any{"target_modules": []string{"embed_tokens"}, "use_dora": true}},
	{"llama", "rank_pattern", lora.Recipe{}, lora.Options{Targets: lora.Targets{"q_proj", "v_proj"},
		RankPattern: map[string]int{"layers.1.self_attn.q_proj": 7}, AlphaPattern: map[string]float64{"v_proj": 5}},
		map[string]any{"target_modules": []string{"q_proj", "v_proj"},
			"rank_pattern": map[string]int{"layers.1.self_attn.q_proj": 7}, "alpha_pattern": map[string]int{"v_proj": 5}}},
	{"llama", "blocks", lora.Recipe{}, lora.Options{Targets: lora.Targets{"q_proj", "up_proj"}, Exclude: lora.Targets{"up_proj"}, Blocks: []int{1}},
		map[string]any{"target_modules": []string{"q_proj", "up_proj"}, "exclude_modules": []string{"up_proj"}, "layers_to_transform": []int{1}}},
	{"llama", "output saved", lora.Recipe{}, lora.Options{Targets: lora.Targets{"q_proj"}, Save: []string{"lm_head"}},
		map[string]any{"target_modules": []string{"q_proj"}, "modules_to_save": []string{"lm_head"}}},

	{"gpt2", "lora", lora.Recipe{}, lora.Options{Targets: lora.Targets{"c_attn", "c_proj"}},
		map[string]any{"target_modules": []string{"c_attn", "c_proj"}}},
	{"gpt2", "dora", lora.Recipe{Method: "dora"}, lora.Options{Targets: lora.Targets{"c_attn", "c_fc"}},
		map[string]any{"target_modules": []string{"c_attn", "c_fc"}, "use_dora": true}},
	{"gpt2", "pissa", lora.Recipe{Method: "pissa"}, lora.Options{Targets: lora.Targets{"c_attn"}},
		map[string]any{"target_modules": []string{"c_attn"}, "init_lora_weights": "pissa"}},
	{"gpt2", "bias all", lora.Recipe{}, lora.Options{Targets: lora.Targets{"c_attn"}, Bias: lora.AllBiases},
		map[string]any{"target_modules": []string{"c_attn"}, "bias": "all"}},
	{"gpt2", "embeddings, tied", lora.Recipe{}, lora.Options{Targets: lora.Targets{"wte", "wpe", "c_attn"}},
		map[string]any{"target_modules": []string{"wte", "wpe", "c_attn"}}},

	{"bert", "classifier saved", lora.Recipe{}, lora.Options{Targets: lora.Targets{"query", "value"}, Save: []string{"classifier"}},
		map[string]any{"target_modules": []string{"query", "value"}, "modules_to_save": []string{"classifier"}}},
	{"bert", "rslora, classifier and pooler saved", lora.Recipe{Method: "rslora"}, lora.Options{Targets: lora.Targets{"key"}, Save: []string{"classifier", "pooler"}},
		map[string]any{"target_modules": []string{"key"}, "modules_to_save": []string{"classifier", "pooler"}, "use_rslora": true}},
	{"bert", "bias all", lora.Recipe{}, lora.Options{Targets: lora.Targets{"query"}, Bias: lora.AllBiases, Save: []string{"classifier"}},
		map[string]any{"target_modules": []string{"query"}, "bias": "all", "modules_to_save": []string{"classifier"}}},
	{"bert", "bias lora_only", lora.Recipe{}, lora.Options{Targets: lora.Targets{"query", "intermediate.dense"}, Bias: lora.AdaptedBiases},
		map[string]any{"target_modules": []string{"query", "intermediate.dense"}, "bias": "lora_only"}},
	{"bert", "lora_bias", lora.Recipe{Options: map[string]float64{"bias": 1}}, lora.Options{Targets: lora.Targets{"value"}},
		map[string]any{"target_modules": []string{"value"}, "lora_bias": true}},
	{"bert", "embeddings", lora.Recipe{}, lora.Options{Targets: lora.Targets{"word_embeddings", "query"}},
		map[string]any{"target_modules": []string{"word_embeddings", "query"}}},
}
