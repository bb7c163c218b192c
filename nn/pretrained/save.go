package pretrained

import (
	"encoding/json"
	"io"

	"github.com/lowrank/lowrank/nn/llama"
)

// Save writes the files of a model's folder. For each it calls write with the
// file's name and a function that writes the contents; write makes the file.
// The weights come first, so that a folder with a configuration is complete.
func Save(write func(name string, contents func(io.Writer) error) error, m *llama.Model) error {
	err := write(WeightsFile, func(w io.Writer) error {
		var tensors []Tensor
		for _, p := range m.Params() {
			tensors = append(tensors, Tensor{p.Name, p.Shape, p.Floats()})
		}
		return WriteSafetensors(w, tensors, nil)
	})
	if err != nil {
		return err
	}
	return write(ConfigFile, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(m.Config)
	})
}
