package lora_test

import (
	"fmt"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn/llama"
)

// Any composition is written by the rows that its parts come from; what does
// not fit together is refused.
func ExampleCompose() {
	m, err := lora.Compose(lora.Recipe{Delta: "dora", Init: "pissa", Update: "lora-pro"})
	fmt.Println(m.Name, err)
	_, err = lora.Compose(lora.Recipe{Delta: "hira", Init: "pissa"})
	fmt.Println(err)
	// Output:
	// lora+delta:dora+init:pissa+update:lora-pro <nil>
	// lora: init pissa needs an update s·B·A that is added to the base, which delta hira does not provide
}

func ExampleInject() {
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
	set, err := lora.Inject(model, method, lora.Options{Targets: lora.Targets{"q_proj", "v_proj"}, Rank: 4, Alpha: 8})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(set.Maps), "maps,", set.TrainedParameters(), "trained parameters")
	// Output: 4 maps, 512 trained parameters
}
