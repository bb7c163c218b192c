package pretrained

import (
	"encoding/json"
	"io"

	"github.com/lowrank/lowrank/nn"
)

// Save writes the files of a model's folder: config, which is anything that
// encodes as the model's config.json, and the tensors. For each it calls write
// with the file's name and a function that writes the contents; write makes
// the file. The weights come first, so that a folder with a configuration is
// complete.
func Save(write func(name string, contents func(io.Writer) error) error, config any, m nn.Model) error {
	err := write(WeightsFile, func(w io.Writer) error {
		return WriteSafetensors(w, Tensors(m), nil)
	})
	if err != nil {
		return err
	}
	return write(ConfigFile, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(config)
	})
}

// Tensors returns the tensors of a model as its checkpoint has them, in float32:
// of what is kept in fewer bits, copies of the values that these stand for.
func Tensors(m nn.Model) []Tensor {
	var tensors []Tensor
	for _, p := range m.Params() {
		tensors = append(tensors, Tensor{p.Name, p.Shape, p.Stored(p.Values().All())})
	}
	return tensors
}
