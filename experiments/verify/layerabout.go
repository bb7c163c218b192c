package verify

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/nn/pretrained"
)

// about is what the JSON of a case says.
type about struct {
	Config json.RawMessage `json:"config"` // PEFT's
	Mode   string          `json:"mode"`
	Kind   string          `json:"kind"` // of the module; "": an nn.Linear
	Conv   string          `json:"conv"` // how it was made, of a convolution

	Deterministic *bool          `json:"init_deterministic_given_W"`
	Scalars       map[string]any `json:"layer_scalars"`
	Trainable     []string       `json:"trainable"`
	WithoutGrad   []string       `json:"trainable_without_grad"`
	Delta         string         `json:"delta"` // "ok", or why PEFT has none
	Merge         string         `json:"merge"`
	Losses        []float64      `json:"losses"`

	Name  string         `json:"name"`  // of an optimizer
	Hyper map[string]any `json:"hyper"` // its parameters

	Trace []pruningStep `json:"trace"` // of AdaLoRA
}

// A recording is a case with its tensors.
type recording struct {
	dir, name string
	about
}

func (rec *recording) path(ext string) string { return filepath.Join(rec.dir, rec.name+ext) }

// open opens a file of the case, and behind it those in which a tensor that it
// lacks is looked up.
func (rec *recording) open(ext string) (tensors, error) {
	names := []string{rec.name + ext}
	if ext != tensorsExt && has(rec.dir, rec.name+tensorsExt) {
		names = append(names, rec.name+tensorsExt)
	}
	if has(rec.dir, commonName+tensorsExt) {
		names = append(names, commonName+tensorsExt)
	}
	var files tensors
	for _, name := range names {
		f, err := openRecord(filepath.Join(rec.dir, name))
		if err != nil {
			return nil, err
		}
		files = append(files, tensorFile{f, name})
	}
	return files, nil
}

// config returns PEFT's configuration without some of its keys.
func (rec *recording) config(without ...string) ([]byte, error) {
	if len(without) == 0 {
		return rec.Config, nil
	}
	var c map[string]any
	if err := json.Unmarshal(rec.Config, &c); err != nil {
		return nil, fmt.Errorf("%s.json: config: %w", rec.name, err)
	}
	maps.DeleteFunc(c, func(key string, _ any) bool { return slices.Contains(without, key) })
	return json.Marshal(c)
}

// dropout says which dropout was at work; "": none.
func (rec *recording) dropout() string {
	var c map[string]any
	if rec.Mode == "eval" || json.Unmarshal(rec.Config, &c) != nil {
		return ""
	}
	for _, key := range slices.Sorted(maps.Keys(c)) {
		if p, _ := c[key].(float64); p > 0 && strings.HasSuffix(key, "dropout") {
			return fmt.Sprintf("%s is %v in training mode: there is no dropout here", key, p)
		}
	}
	return ""
}

// tensors are files in the order in which a name is looked up. Only the first
// is the case's own, of which everything must be compared.
type tensors []tensorFile

type tensorFile struct {
	*record
	name string
}

// of returns the file that has the tensor, or the first one.
func (t tensors) of(name string) tensorFile {
	for _, f := range t {
		if f.has(name) {
			return f
		}
	}
	return t[0]
}

func (t tensors) has(name string) bool { return t.of(name).has(name) }

// first returns the first of the names that there is, or the last of all.
func (t tensors) first(names ...string) string {
	for _, name := range names {
		if t.has(name) {
			return name
		}
	}
	return names[len(names)-1]
}

// take returns a copy of a tensor, which counts as compared.
func (t tensors) take(name string) (pretrained.Tensor, error) {
	f := t.of(name)
	delete(f.left, name)
	x, err := f.Tensor(name)
	x.Data = slices.Clone(x.Data)
	return x, err
}

// shaped returns the values of a tensor of that shape; dimensions of one do not
// count.
func (t tensors) shaped(name string, shape []int) ([]float32, error) {
	x, err := t.take(name)
	if err == nil && !slices.Equal(squeezed(x.Shape), squeezed(shape)) {
		err = t.wrong(name, "is %v: must be %v", x.Shape, shape)
	}
	return x.Data, err
}

// wrong says what is wrong with a tensor of which file.
func (t tensors) wrong(name, format string, args ...any) error {
	return fmt.Errorf("%s: tensor %q "+format, append([]any{t.of(name).name, name}, args...)...)
}

func squeezed(shape []int) []int {
	return slices.DeleteFunc(slices.Clone(shape), func(n int) bool { return n == 1 })
}

// near compares got with the tensor of that name, which must be there.
func (t tensors) near(r *rows, name string, got []float32, shape []int, tol Tolerance) {
	want, err := t.shaped(name, shape)
	if err != nil {
		r.fail(name, err)
		return
	}
	r.near(name, got, want, tol)
}
