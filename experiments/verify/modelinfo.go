package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	var config struct {
		End tokenList `json:"eos_token_id"`
	}
	if err := readJSON(filepath.Join(dir, "config.json"), &config); err != nil {
		return info, err
	}
	// Where there is a file for generation, what it leaves out is not there.
	generation := struct {
		End tokenList `json:"eos_token_id"`
	}{}
	err = readJSON(filepath.Join(dir, "generation_config.json"), &generation)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		info.stop = config.End
	case err != nil:
		return info, err
	default:
		info.stop = generation.End
	}
	return info, nil
}

// A tokenList is one token or several.
type tokenList []int32

func (t *tokenList) UnmarshalJSON(b []byte) error {
	var one int32
	if json.Unmarshal(b, &one) == nil && string(b) != "null" {
		*t = tokenList{one}
		return nil
	}
	return json.Unmarshal(b, (*[]int32)(t))
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
