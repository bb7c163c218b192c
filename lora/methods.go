package lora

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/lora/moe"
	"github.com/lowrank/lowrank/lora/nearest"
	"github.com/lowrank/lowrank/lora/rank"
	"github.com/lowrank/lowrank/lora/update"
)

// plain is the index of the row that has the parts which others leave out.
const plain = 1

// table is the one table of methods: a paper is a row, and what a row leaves
// out is plain LoRA's.
var table = []Method{
	{Name: "full", Paper: "full fine-tuning of the adapted maps", Delta: delta.Full{}, Initial: initial.None{}},

	{Name: "lora", Paper: "LoRA", ArXiv: "2106.09685", Axis: Rank,
		Published: Published{Rank: 4, Alpha: 32, LR: 2e-4, In: "GPT-2 medium, E2E"},
		Delta:     delta.LoRA{}, Initial: initial.Kaiming{}, Update: update.AdamW{}, Rank: rank.None{}},
	{Name: "rslora", Paper: "rsLoRA", ArXiv: "2312.03732", Axis: Rank,
		Published: Published{Rank: 256, Alpha: 16, Root: true, LR: 5e-7, In: "OpenChat-3.5, UltraFeedback (DPO)"},
		Delta:     delta.LoRA{RankRoot: true}},
	{Name: "dora", Paper: "DoRA", ArXiv: "2402.09353", Axis: Rank,
		Published: Published{Rank: 32, Alpha: 64, LR: 2e-4, In: "Llama-2-7B, commonsense-170k"},
		Delta:     delta.DoRA{}},
	{Name: "vera", Paper: "VeRA", ArXiv: "2310.11454", Axis: Rank, Delta: delta.VeRA{}, Initial: initial.None{}},
	{Name: "hira", Paper: "HiRA (ICLR 2025, OpenReview TwJrTz9cRS)", Axis: Rank,
		Published: Published{Rank: 32, LR: 1e-3, In: "Llama-3-8B, commonsense-170k"},
		Delta:     delta.HiRA{}},
	{Name: "moslora", Paper: "MoSLoRA", ArXiv: "2406.11909", Axis: Rank,
		Published: Published{Rank: 16, Alpha: 32, LR: 3e-4, In: "Llama-3-8B, commonsense-170k"},
		Delta:     delta.Core{}},
	{Name: "moslora-orthogonal", Paper: "MoSLoRA with an orthogonal mixer", ArXiv: "2406.11909", Axis: Rank, Delta: delta.Core{Orthogonal: true}},
	{Name: "lora-xs", Paper: "LoRA-XS", ArXiv: "2405.17604", Axis: Rank,
		Published: Published{Rank: 64, Alpha: 64, LR: 4e-3, In: "Mistral-7B, MetaMathQA-100k"},
		Delta:     delta.Core{CoreOnly: true, Std: 1e-5}, Initial: initial.SVD{Split: initial.OnA, Keep: true}},
	{Name: "nora", Paper: "NoRA, nested", ArXiv: "2408.10280", Axis: Rank,
		Delta: delta.Core{CoreOnly: true, Inner: 4}, Initial: initial.SVD{Keep: true}},
	{Name: "adalora", Paper: "AdaLoRA", ArXiv: "2303.10512", Axis: Rank,
		Published: Published{Rank: 1, Alpha: 16, LR: 5e-4, In: "DeBERTa-v3-base, MNLI"},
		Delta:     delta.SVD{Orthogonality: 0.5}, Initial: initial.Gaussian{Std: 0.02, Both: true}, Rank: rank.AdaLoRA{Ratio: 1.5, Begin: 0.1, End: 0.3, Every: 1, Beta1: 0.85, Beta2: 0.85}},

	{Name: "lora-gaussian", Paper: "LoRA with the Gaussian start of PEFT", ArXiv: "2106.09685", Axis: Initialisation, Initial: initial.Gaussian{}},
	{Name: "lora-orthogonal", Paper: "LoRA with the orthogonal start of PEFT", ArXiv: "2106.09685", Axis: Initialisation, Initial: initial.Orthogonal{}},
	{Name: "lora-fan-in", Paper: "LoRA with the Gaussian start of LoRAFactory", ArXiv: "2106.09685", Axis: Initialisation, Initial: initial.Gaussian{Law: initial.FanIn}},
	{Name: "lora-xavier", Paper: "LoRA with Xavier's start", ArXiv: "2106.09685", Axis: Initialisation, Initial: initial.Gaussian{Law: initial.Xavier}},
	{Name: "lora-unit", Paper: "LoRA with columns of A of unit length", ArXiv: "2106.09685", Axis: Initialisation, Initial: initial.Gaussian{Law: initial.OverRootRank}},
	{Name: "lora-normal", Paper: "LoRA with the small Gaussian start of BERT", ArXiv: "2106.09685", Axis: Initialisation, Initial: initial.Gaussian{Std: 0.02}},
	{Name: "lora-orthonormal", Paper: "LoRA with orthonormal rows of A", ArXiv: "2106.09685", Axis: Initialisation, Initial: initial.Orthonormal{}},
	{Name: "pissa", Paper: "PiSSA", ArXiv: "2404.02948", Axis: Initialisation,
		Published: Published{Rank: 128, Alpha: 128, LR: 2e-5, In: "Llama-2-7B, MetaMathQA-100k"},
		Initial:   initial.SVD{}},
	{Name: "milora", Paper: "MiLoRA", ArXiv: "2406.09044", Axis: Initialisation,
		Published: Published{Rank: 64, Alpha: 64, LR: 3e-4, In: "Llama-2-7B, MetaMathQA"},
		Initial:   initial.SVD{Smallest: true}},
	{Name: "lora-sb", Paper: "LoRA-SB", ArXiv: "2411.19557", Axis: Initialisation,
		Published: Published{Rank: 96, Alpha: 96, LR: 1e-4, In: "Mistral-7B, MetaMathQA-50k"},
		Delta:     delta.Core{CoreOnly: true, Std: 1e-5}, Initial: initial.FirstStep{Step: 1e-4}},
	{Name: "nlora", Paper: "NLoRA", ArXiv: "2502.14482", Axis: Initialisation,
		Published: Published{Rank: 128, Alpha: 128, LR: 2e-4, In: "Llama-2-7B, MetaMathQA-100k"},
		Delta:     delta.Core{}, Initial: initial.Nystrom{}},
	{Name: "nlora-inttune", Paper: "NLoRA, IntermediateTune", ArXiv: "2502.14482", Axis: Initialisation,
		Published: Published{Rank: 128, Alpha: 128, LR: 2e-4, In: "Llama-2-7B, MetaMathQA-100k"},
		Delta:     delta.Core{CoreOnly: true, Std: 1e-5}, Initial: initial.Nystrom{}},
	{Name: "sorsa", Paper: "SORSA", ArXiv: "2409.00055", Axis: Initialisation,
		Published: Published{Rank: 128, Alpha: 128, LR: 3e-5, In: "Llama-2-7B, MetaMathQA-100k"},
		Delta:     delta.SVD{Orthogonality: 4e-4}, Initial: initial.SVD{Split: initial.Middle}},
	{Name: "kasa", Paper: "KaSA", ArXiv: "2412.06071", Axis: Initialisation,
		Published: Published{Rank: 8, Alpha: 16, LR: 4e-4, In: "RoBERTa-base, CoLA"},
		Delta:     delta.KaSA{Values: 1e-4, Orthogonality: 1e-3}, Initial: initial.Truncate{}},
	{Name: "dude", Paper: "DuDe", ArXiv: "2505.14367", Axis: Initialisation, Delta: delta.DoRA{}, Initial: initial.SVD{}},
	{Name: "olora", Paper: "OLoRA", ArXiv: "2406.01775", Axis: Initialisation,
		Published: Published{Rank: 32, Alpha: 16, LR: 3e-4, In: "OPT-350M, Alpaca-cleaned"},
		Initial:   initial.QR{}},
	{Name: "lora-ga", Paper: "LoRA-GA", ArXiv: "2407.05000", Axis: Initialisation,
		Published: Published{Rank: 8, Alpha: 16, Root: true, LR: 2e-5, In: "Llama-2-7B, MetaMathQA-100k"},
		Initial:   initial.Gradient{Gamma: 16}},
	{Name: "lora-ga-pro", Paper: "LoRA-GA-Pro of LoRAFactory, ranks by the gradients", Axis: Initialisation, Initial: initial.Gradient{Gamma: 16, Least: 4, Most: 512}},
	{Name: "gora", Paper: "GoRA", ArXiv: "2502.12171", Axis: Initialisation,
		Published: Published{Rank: 8, Alpha: 16, Root: true, LR: 5e-5, In: "Llama-3.1-8B, MetaMathQA"},
		Delta:     delta.LoRA{RankRoot: true}, Initial: initial.Projected{Step: 0.05, Least: 0.5, Most: 4}},
	{Name: "lora-one", Paper: "LoRA-One", ArXiv: "2502.01235", Axis: Initialisation,
		Published: Published{Rank: 8, Alpha: 16, Root: true, LR: 2e-4, In: "Llama-2-7B, MetaMathQA-100k"},
		Initial:   initial.Descent{Gamma: 128}},
	{Name: "lora-da", Paper: "LoRA-DA", ArXiv: "2510.24561", Axis: Initialisation,
		Published: Published{Rank: 8, Alpha: 16, Root: true, LR: 2e-4, In: "Llama-2-7B, MetaMathQA-100k"},
		Initial:   initial.DataAware{Gamma: 1024, Bias: 1, Variance: 0.03, Population: 100000, Damping: 1e-6}},
	{Name: "ft-warmstart-svd", Paper: "LoRA-DA of LoRAFactory, a few steps of full fine-tuning", Axis: Initialisation, Initial: initial.FineTuned{LR: 1e-5}},
	{Name: "nzlora", Paper: "Beyond Zero Initialization, Init[AB]", ArXiv: "2505.23194", Axis: Initialisation, Initial: initial.NonZero{A: 1, B: 1}},
	{Name: "mica", Paper: "MiCA", ArXiv: "2604.01694", Axis: Initialisation, Initial: initial.Minor{}, Update: update.OneSided{}},
	{Name: "eva", Paper: "EVA", ArXiv: "2410.07170", Axis: Initialisation,
		Published: Published{Rank: 16, Alpha: 1, LR: 5e-4, In: "Llama-2-7B, question answering"},
		Initial:   initial.Principal{Rho: 2}},
	{Name: "eva-uniform", Paper: "EVA, all ranks equal", ArXiv: "2410.07170", Axis: Initialisation,
		Published: Published{Rank: 16, Alpha: 1, LR: 5e-4, In: "Llama-2-7B, question answering"},
		Initial:   initial.Principal{}},
	{Name: "corda-ipm", Paper: "CorDA, instruction-previewed", ArXiv: "2406.05223", Axis: Initialisation,
		Published: Published{Rank: 128, Alpha: 128, LR: 2e-5, In: "Llama-2-7B, MetaMathQA-100k"},
		Initial:   initial.Oriented{Damping: 0.01}},
	{Name: "corda-kpm", Paper: "CorDA, knowledge-preserved", ArXiv: "2406.05223", Axis: Initialisation,
		Published: Published{Rank: 128, Alpha: 128, LR: 2e-5, In: "Llama-2-7B, MetaMathQA-100k"},
		Initial:   initial.Oriented{Damping: 0.01, Preserve: true}},

	{Name: "loftq", Paper: "LoftQ, 4-bit NormalFloat", ArXiv: "2310.08659", Axis: Initialisation,
		Published: Published{Rank: 64, Alpha: 16, LR: 3e-4, In: "Llama-2-7B, GSM8K"},
		Initial:   initial.Quantized{Rounds: 5}},
	{Name: "lora-null", Paper: "LoRA-Null", ArXiv: "2503.02659", Axis: Initialisation,
		Published: Published{Rank: 128, Alpha: 128, LR: 2e-5, In: "Llama-2-7B, MetaMathQA-100k"},
		Initial:   initial.Null{}},
	{Name: "lora-plus", Paper: "LoRA+", ArXiv: "2402.12354", Axis: Dynamics,
		Published: Published{Rank: 8, Alpha: 8, LR: 2e-4, In: "GPT-2, MNLI"},
		Update:    update.LoRAPlus{Ratio: 16}},
	{Name: "lora-fa", Paper: "LoRA-FA", ArXiv: "2308.03303", Axis: Dynamics, Update: update.LoRAFA{}},
	{Name: "lora-fa-projected", Paper: "LoRA-FA with the projected gradient of B", ArXiv: "2308.03303", Axis: Dynamics, Update: update.LoRAFA{Project: true}},
	{Name: "lora-pro", Paper: "LoRA-Pro", ArXiv: "2407.18242", Axis: Dynamics,
		Published: Published{Rank: 8, Alpha: 16, Root: true, LR: 2e-5, In: "Llama-2-7B, MetaMathQA-100k"},
		Update:    update.LoRAPro{}},
	{Name: "lora-pro-sgd", Paper: "LoRA-Pro, gradient descent", ArXiv: "2407.18242", Axis: Dynamics, Update: update.LoRAPro{Form: update.Gradient}},
	{Name: "lora-pro-factored", Paper: "LoRA-Pro, Adam on the factors", ArXiv: "2407.18242", Axis: Dynamics, Update: update.LoRAPro{Form: update.FactoredAdam}},
	{Name: "altlora", Paper: "AltLoRA", ArXiv: "2505.12455", Axis: Dynamics,
		Published: Published{Rank: 8, Alpha: 16, In: "Llama-3.1-8B, MetaMathQA-100k"},
		Update:    update.AltLoRA{Beta: 0.9, Damping: 1e-6}},
	{Name: "scaled-gd", Paper: "Riemannian preconditioned LoRA, gradient descent", ArXiv: "2402.02347", Axis: Dynamics,
		Published: Published{Rank: 4, Alpha: 32, LR: 2e-2, In: "GPT-2 medium, E2E"},
		Update:    update.ScaledGD{Damping: 1e-6}},
	{Name: "scaled-adamw", Paper: "Riemannian preconditioned LoRA, AdamW", ArXiv: "2402.02347", Axis: Dynamics,
		Published: Published{Rank: 4, Alpha: 32, LR: 8e-4, In: "GPT-2 medium, E2E"},
		Update:    update.ScaledAdamW{Damping: 1e-6}},
	{Name: "lora-rite", Paper: "LoRA-RITE", ArXiv: "2410.20625", Axis: Dynamics, Update: update.LoRARITE{Beta1: 0.9, Beta2: 0.999, Eps: 1e-6, EscapedMass: true, Clip: 1}},
	{Name: "loft", Paper: "LoFT", ArXiv: "2505.21289", Axis: Dynamics, Update: update.LoFT{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 1}},
	{Name: "lora-muon", Paper: "LoRA by Muon (K. Jordan et al., 2024), factor by factor", Axis: Dynamics, Update: update.Muon{Momentum: 0.95, Nesterov: true, Steps: 5}},
	{Name: "lora-muon-tangent", Paper: "LoRA by Muon (K. Jordan et al., 2024) in the tangent space of the product", Axis: Dynamics, Update: update.TangentMuon{Momentum: 0.95, Nesterov: true, Steps: 5}},
	{Name: "lora-sgd", Paper: "LoRA by gradient descent", ArXiv: "2106.09685", Axis: Dynamics, Update: update.SGD{}},
	{Name: "lora-momentum", Paper: "LoRA by gradient descent with momentum", ArXiv: "2106.09685", Axis: Dynamics, Update: update.SGD{Momentum: 0.9}},
	{Name: "lora-lion", Paper: "LoRA by Lion", ArXiv: "2302.06675", Axis: Dynamics, Update: update.Lion{Beta1: 0.9, Beta2: 0.99}},
	{Name: "lora-adalomo", Paper: "LoRA by AdaLomo", ArXiv: "2310.10195", Axis: Dynamics, Update: update.AdaLomo{}},
	{Name: "adalomo", Paper: "AdaLomo on the full weight", ArXiv: "2310.10195", Axis: Dynamics,
		Published: Published{LR: 5e-4, In: "LLaMA-7B, Alpaca-GPT4"},
		Delta:     delta.Full{}, Initial: initial.None{}, Update: update.AdaLomo{}},
	{Name: "muon", Paper: "Muon (K. Jordan et al., 2024) on the full weight", Axis: Dynamics, Delta: delta.Full{}, Initial: initial.None{}, Update: update.Muon{Momentum: 0.95, Nesterov: true, Steps: 5}},
	{Name: "galore", Paper: "GaLore", ArXiv: "2403.03507", Axis: Dynamics,
		Published: Published{Rank: 128, LR: 1e-2, In: "LLaMA-60M, C4"},
		Delta:     delta.Full{}, Initial: initial.None{}, Update: update.GaLore{Rank: 8, Every: 200, Scale: 0.25}},

	{Name: "relora", Paper: "ReLoRA", ArXiv: "2307.05695", Axis: Dynamics,
		Published: Published{Rank: 128, Alpha: 32, LR: 1e-3, In: "LLaMA-250M, C4"},
		Update:    update.Restarts{Warmup: 5, Keep: 0.01}, Rank: rank.Fold{Cycles: 4, Share: 1}},
	{Name: "cola", Paper: "Chain of LoRA", ArXiv: "2401.04151", Axis: Dynamics, Update: update.Restarts{}, Rank: rank.Fold{Cycles: 3, Share: 1}},
	{Name: "plora", Paper: "PeriodicLoRA", ArXiv: "2402.16141", Axis: Dynamics, Update: update.Restarts{}, Rank: rank.Fold{Cycles: 4, Share: 0.1}},
	{Name: "delta-lora", Paper: "Delta-LoRA", ArXiv: "2309.02411", Axis: Dynamics, Rank: rank.Follow{Ratio: 2, Begin: 0.1}},

	{Name: "lora-moe", Paper: "LoRAMoE", ArXiv: "2312.09979", Axis: Experts,
		Published: Published{Rank: 4, Alpha: 32, LR: 2e-4, In: "Llama-2-7B, sample of instructions"},
		Router:    moe.LoRAMoE{PerLayer: 4, Balance: 0.01}},
	{Name: "mola", Paper: "MoLA", ArXiv: "2402.08562", Axis: Experts,
		Published: Published{Rank: 8, Alpha: 16, LR: 3e-4, In: "Llama-2-7B, ScienceQA"},
		Router:    moe.MoLA{PerLayer: 5, TopK: 2, Pattern: moe.Inverted, Balance: 0.01}},
}

// Methods returns the table, each row with all its parts.
func Methods() []Method {
	rows := slices.Clone(table)
	for i := range rows {
		for _, s := range slots {
			if rows[i].part(s) == nil {
				rows[i].setPart(s, table[plain].part(s))
			}
		}
		rows[i].recipe = Recipe{Method: rows[i].Name}
	}
	return rows
}

// Named returns the names of rows, each once: a word is a row's name, "all", or
// "axis:" and the beginning of an axis' name for the rows of that axis.
func Named(words []string) ([]string, error) {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, word := range words {
		axis, group := strings.CutPrefix(word, "axis:")
		if !group && word != "all" {
			if _, err := Row(word); err != nil {
				return nil, err
			}
			add(word)
			continue
		}
		found := false
		for _, m := range table {
			if !group || axis != "" && strings.HasPrefix(string(m.Axis), axis) {
				add(m.Name)
				found = true
			}
		}
		if !found {
			return nil, fmt.Errorf("lora: %q: no method has such an axis; there are: axis:%s, axis:%s, axis:%s, axis:%s", word, Rank, Dynamics, Initialisation, Experts)
		}
	}
	return names, nil
}

// Row returns a row of the table. An unknown name is answered with the names
// there are, the nearest first.
func Row(name string) (Method, error) {
	var names []string
	for _, m := range Methods() {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return Method{}, fmt.Errorf("lora: no method is called %q; there are, nearest first: %s", name, nearest.Choices(name, names))
}
