package pretrained

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/nn/llama"
)

// The files of a checkpoint's folder.
const (
	ConfigFile  = "config.json"
	WeightsFile = "model.safetensors"
)

// Load reads the model of a folder. Its tensors must be those of its
// configuration, no more, no fewer, each of its shape: an error of one line
// names all that differ, with both shapes.
func Load(dir string) (*llama.Model, error) {
	path := filepath.Join(dir, ConfigFile)
	const maxConfig = 1 << 20
	b, err := readFile(path, maxConfig)
	if err != nil {
		return nil, err
	}
	var cfg llama.Config
	if err := json.Unmarshal(b, &cfg); err != nil {
		return nil, fmt.Errorf("pretrained: %s: %w", path, err)
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("pretrained: %s: %w", path, err)
	}
	path = filepath.Join(dir, WeightsFile)
	s, err := ReadSafetensors(path)
	if err != nil {
		return nil, err
	}
	return build(path, cfg, s)
}

// build makes the model from the tensors of the file at path.
func build(path string, cfg llama.Config, s *Safetensors) (*llama.Model, error) {
	var wrong problems
	known := map[string]bool{}
	source := func(name string, shape ...int) ([]float32, error) {
		known[name] = true
		have, ok := s.Shape(name)
		switch {
		case !ok:
			return nil, wrong.add("%s %v is missing", name, shape)
		case !slices.Equal(have, shape):
			return nil, wrong.add("%s is %v, must be %v", name, have, shape)
		case len(wrong) > 0:
			return nil, nil // nothing will come of it: do not decode
		}
		t, err := s.Tensor(name)
		return t.Data, err
	}
	m, err := llama.Build(cfg, source)
	for _, name := range s.Names() {
		if !known[name] {
			shape, _ := s.Shape(name)
			wrong.add("%s %v is unexpected", name, shape)
		}
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("pretrained: %s: %s", path, wrong)
	}
	return m, err
}

// problems is a list that prints in one line.
type problems []string

func (p *problems) add(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	*p = append(*p, text)
	return errors.New(text)
}

func (p problems) String() string {
	const most = 20
	if n := len(p); n > most {
		return fmt.Sprintf("%s; and %d more", strings.Join(p[:most], "; "), n-most)
	}
	return strings.Join(p, "; ")
}
