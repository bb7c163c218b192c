package pretrained

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

// The files of a checkpoint's folder.
const (
	ConfigFile  = "config.json"
	WeightsFile = "model.safetensors"
)

// Load reads the model of a folder. Its tensors must be those of its
// configuration, no more, no fewer, each of its shape: an error of one line
// names all that differ, with both shapes. Float32 values stay in the mapped
// file until they are written to, and the file in its place as long as the
// model.
func Load(dir string) (nn.Model, error) {
	config, f, err := readConfig(dir)
	if err != nil {
		return nil, err
	}
	l := &loader{}
	return load(dir, f, config, l, l)
}

// readConfig reads the configuration of a folder, and finds the family that it
// is of.
func readConfig(dir string) (config []byte, f family, err error) {
	path := filepath.Join(dir, ConfigFile)
	const maxConfig = 1 << 20
	if config, err = readFile(path, maxConfig); err != nil {
		return nil, f, err
	}
	if f, err = familyOf(config); err != nil {
		return nil, f, fmt.Errorf("pretrained: %s: %w", path, err)
	}
	return config, f, nil
}

// load builds the model of a configuration from the folder's tensors, which the
// source, a loader or more, gives it.
func load(dir string, f family, config []byte, l *loader, source nn.Source) (nn.Model, error) {
	build, err := f.read(config)
	if err != nil {
		return nil, fmt.Errorf("pretrained: %s: %w", filepath.Join(dir, ConfigFile), err)
	}
	if l.Checkpoint, err = OpenCheckpoint(dir); err != nil {
		return nil, err
	}
	l.prefix, l.known = f.prefix, map[string]bool{}
	m, err := build(source)
	if err = l.finish(err); err != nil {
		l.Close()
		return nil, fmt.Errorf("pretrained: %s: %w", dir, err)
	}
	return m, nil
}

// familyOf returns the family that a configuration's model_type names.
func familyOf(config []byte) (family, error) {
	var f struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(config, &f); err != nil {
		return family{}, err
	}
	if found, ok := families[f.ModelType]; ok {
		return found, nil
	}
	return family{}, nn.Unsupported(fmt.Errorf("model_type is %q; there are: %s", f.ModelType, strings.Join(slices.Sorted(maps.Keys(families)), ", ")))
}

// A loader gives a family the tensors that it asks for, and collects what is
// wrong with them.
type loader struct {
	*Checkpoint
	prefix string          // of the family
	known  map[string]bool // names in the files that were asked for
	wrong  problems
	head   *Head // what the model gets in the place of the files' own; nil: nothing
}

// Has reports whether there is a tensor of the name that a family asks for.
func (l *loader) Has(name string) bool {
	_, ok := l.Shape(l.stored(name))
	return ok
}

// Tensor returns the values of the tensor that a family asks for.
func (l *loader) Tensor(name string, shape ...int) (ag.Values, error) {
	stored := l.stored(name)
	kept, err := l.NF4(stored)
	if err != nil {
		return ag.Values{}, err
	}
	have, ok := l.Shape(stored)
	if kept != nil {
		have = []int{kept.Rows, kept.Cols}
	}
	switch l.known[stored] = true; {
	case l.head != nil && ofHead(name) && !slices.Equal(have, shape):
		return ag.Values{Floats: l.head.fresh(name, shape)}, nil
	case !ok:
		return ag.Values{}, l.wrong.add("%s %v is missing", name, shape)
	case !slices.Equal(have, shape):
		return ag.Values{}, l.wrong.add("%s: %s is %v, must be %v", filepath.Base(l.File(stored)), stored, have, shape)
	case len(l.wrong) > 0:
		return ag.Values{}, l.wrong // nothing will come of it: do not decode
	}
	if kept != nil {
		return ag.Values{Stored: kept}, nil
	}
	if h, err := l.Half(stored); h != nil || err != nil {
		return ag.Values{Stored: h, Forget: l.unwritten(stored)}, err
	}
	t, err := l.Checkpoint.Tensor(stored)
	return ag.Values{Floats: t.Data, Forget: l.unwritten(stored)}, err
}

// stored returns the name by which the files have the tensor name. A model
// with a head may have been saved without it, and then has no prefix, or the
// other way round; very old files call weight and bias of a LayerNorm gamma and
// beta.
func (l *loader) stored(name string) string {
	names := []string{name}
	if bare, ok := strings.CutPrefix(name, l.prefix); ok {
		names = append(names, bare)
	} else {
		names = append(names, l.prefix+name)
	}
	for _, n := range names {
		if _, ok := l.Shape(n); ok {
			return n
		}
		old := strings.NewReplacer("LayerNorm.weight", "LayerNorm.gamma", "LayerNorm.bias", "LayerNorm.beta").Replace(n)
		if _, ok := l.Shape(old); ok {
			return old
		}
	}
	return name
}

// finish returns all that is wrong, else the error of the build.
func (l *loader) finish(err error) error {
	if err != nil && len(l.wrong) == 0 {
		return err
	}
	for _, name := range l.Names() {
		if weight, ok := beside(name); ok && l.known[weight] {
			continue
		}
		if !l.known[name] && !constant(name) && !l.copied(name) && !(l.head != nil && ofHead(name)) {
			shape, _ := l.Shape(name)
			l.wrong.add("%s: %s %v is unexpected", filepath.Base(l.File(name)), name, shape)
		}
	}
	if len(l.wrong) > 0 {
		return l.wrong
	}
	return nil
}

// constant reports whether a tensor is a buffer that old versions saved and
// that follows from the configuration.
func constant(name string) bool {
	for _, end := range []string{".position_ids", ".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias"} {
		if strings.HasSuffix("."+name, end) {
			return true
		}
	}
	return false
}

// copies are the tensors that files may hold once more under a second name,
// and the first. The outputs that are tied are not among them: a family asks.
var copies = map[string][]string{
	"encoder.embed_tokens.weight":  {"shared.weight"},
	"decoder.embed_tokens.weight":  {"shared.weight"},
	"cls.predictions.decoder.bias": {"cls.predictions.bias"},
	"lm_head.decoder.bias":         {"lm_head.bias"},
}

// copied reports whether a tensor that nobody asked for is equal, bit for bit,
// to the one that it is tied to.
func (l *loader) copied(name string) bool {
	for _, first := range copies[name] {
		if !l.known[first] {
			continue
		}
		_, a, err := l.Raw(name)
		_, b, err2 := l.Raw(first)
		if err == nil && err2 == nil && string(a) == string(b) {
			return true
		}
	}
	return false
}

// problems is a list that prints in one line.
type problems []string

func (p *problems) add(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	*p = append(*p, text)
	return errors.New(text)
}

func (p problems) Error() string {
	const most = 20
	if n := len(p); n > most {
		return fmt.Sprintf("%s; and %d more", strings.Join(p[:most], "; "), n-most)
	}
	return strings.Join(p, "; ")
}
