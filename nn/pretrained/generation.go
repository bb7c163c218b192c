package pretrained

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// GenerationFile says how a model is meant to generate.
const GenerationFile = "generation_config.json"

// EndTokens returns the ids after which the model of a folder stops: those of
// [GenerationFile] or, where there is none, of the configuration.
func EndTokens(dir string) ([]int32, error) {
	for _, name := range []string{GenerationFile, ConfigFile} {
		path := filepath.Join(dir, name)
		b, err := readFile(path, 1<<20)
		if errors.Is(err, fs.ErrNotExist) && name == GenerationFile {
			continue
		}
		if err != nil {
			return nil, err
		}
		var config struct {
			End tokenList `json:"eos_token_id"`
		}
		if err := json.Unmarshal(b, &config); err != nil {
			return nil, fmt.Errorf("pretrained: %s: eos_token_id: %w", path, err)
		}
		return config.End, nil
	}
	return nil, nil
}

// A tokenList is one id, several, or null.
type tokenList []int32

func (t *tokenList) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	var one int32
	if json.Unmarshal(b, &one) == nil {
		*t = tokenList{one}
		return nil
	}
	return json.Unmarshal(b, (*[]int32)(t))
}
