package lora

import (
	"fmt"
	"strings"

	"github.com/lowrank/lowrank/nn/pretrained"
)

// heads are the weights, after PEFT's prefix, by which a classifier makes its
// logits, a row a label.
var heads = []string{"classifier.weight", "classifier.out_proj.weight", "score.weight"}

// Labels returns how many labels the classifier has that an adapter's
// [WeightsFile] holds whole, which is then to stand on the base; 0, where the
// file holds none.
func Labels(weights []byte) (int, error) {
	file, err := pretrained.ParseSafetensors(WeightsFile, weights)
	if err != nil {
		return 0, fmt.Errorf("lora: %w", bare{err})
	}
	for _, name := range file.Names() {
		for _, head := range heads {
			shape, _ := file.Shape(name)
			if strings.TrimPrefix(name, modelPrefix) == head && len(shape) == 2 {
				return shape[0], nil
			}
		}
	}
	return 0, nil
}
