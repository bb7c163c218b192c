package reference

import (
	"os"
	"path/filepath"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
)

// writeAdapter writes an adapter's folder.
func writeAdapter(dir string, set *lora.Set) error {
	config, weights, err := set.Files()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, lora.ConfigFile), config, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, lora.WeightsFile), weights, 0o644)
}

// readAdapter adapts a model with an adapter's folder.
func readAdapter(m nn.Model, dir string) (*lora.Set, error) {
	config, err := os.ReadFile(filepath.Join(dir, lora.ConfigFile))
	if err != nil {
		return nil, err
	}
	weights, err := os.ReadFile(filepath.Join(dir, lora.WeightsFile))
	if err != nil {
		return nil, err
	}
	return lora.Load(m, config, weights)
}
