package verify

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lowrank/lowrank/nn/pretrained"
)

// A modelInfo is what a model's folder says in JSON besides the model.
type modelInfo struct {
	Params   int64                      `json:"params"` // how many; 0: not said
	Generate map[string]json.RawMessage `json:"generate"`
	stop     []int32                    // tokens that end a sequence
}

func readModelInfo(dir string) (info modelInfo, err error) {
	if err := readJSON(filepath.Join(dir, "info.json"), &info); err != nil {
		return info, err
	}
	info.stop, err = pretrained.EndTokens(dir)
	return info, err
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return nil
}
