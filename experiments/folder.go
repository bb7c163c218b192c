package experiments

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lowrank/lowrank/nn/image"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// A folder is what a model's folder says of the model beside its weights.
type folder struct {
	dir            string
	ModelType      string            `json:"model_type"`
	Architectures  []string          `json:"architectures"`
	EncoderDecoder bool              `json:"is_encoder_decoder"`
	ID2Label       map[string]string `json:"id2label"`
	VocabSize      int               `json:"vocab_size"`
	TypeVocabSize  *int              `json:"type_vocab_size"`
	PadTokenID     json.RawMessage   `json:"pad_token_id"`
	EOSTokenID     json.RawMessage   `json:"eos_token_id"`
}

// maxFolderBytes bounds a file beside the weights; the largest tokenizer.json
// of a model has some 30 MB.
const maxFolderBytes = 256 << 20

// openFolder reads config.json.
func openFolder(dir string) (*folder, error) {
	f := &folder{dir: dir}
	b, err := f.read(pretrained.ConfigFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("model: %s: needs config.json and model.safetensors: %w", dir, err)
	}
	if err == nil {
		err = json.Unmarshal(b, f)
	}
	if err != nil {
		return nil, fmt.Errorf("model: %s: %w", filepath.Join(dir, pretrained.ConfigFile), err)
	}
	return f, nil
}

// read returns the contents of a file of the folder.
func (f *folder) read(name string) ([]byte, error) {
	file, err := os.Open(filepath.Join(f.dir, name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("is no file"))
	}
	b, err := io.ReadAll(io.LimitReader(file, maxFolderBytes+1))
	if len(b) > maxFolderBytes {
		return nil, fmt.Errorf("has more than %d bytes", maxFolderBytes)
	}
	return b, err
}

// ends reports whether the architecture's name ends in one of these.
func (f *folder) ends(heads ...string) bool {
	return len(f.Architectures) == 1 &&
		slices.ContainsFunc(heads, func(h string) bool { return strings.HasSuffix(f.Architectures[0], h) })
}

// names returns the model's own names of its classes in their order, or nil
// where they say nothing.
func (f *folder) names() []string {
	names := make([]string, len(f.ID2Label))
	for id, name := range f.ID2Label {
		i, err := strconv.Atoi(id)
		if err != nil || i < 0 || i >= len(names) || name == "" || strings.HasPrefix(name, "LABEL_") {
			return nil
		}
		names[i] = name
	}
	if slices.Contains(names, "") {
		return nil
	}
	return names
}

// id returns a token's id, or the first of a list of them; -1: none.
func id(raw json.RawMessage) int32 {
	var list []int32
	if json.Unmarshal(raw, &list) != nil {
		list = make([]int32, 1)
		if json.Unmarshal(raw, &list[0]) != nil || string(raw) == "null" {
			return -1
		}
	}
	if len(list) == 0 || list[0] < 0 {
		return -1
	}
	return list[0]
}

// processor reads how images become pixels.
func (f *folder) processor() (*image.Processor, error) {
	const name = "preprocessor_config.json"
	p := &image.Processor{}
	b, err := f.read(name)
	if err == nil {
		err = json.Unmarshal(b, p)
	}
	if err != nil {
		return nil, fmt.Errorf("model: %s: needs %s, for images: %w", f.dir, name, err)
	}
	return p, nil
}
