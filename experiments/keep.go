package experiments

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// Base says in which format the frozen weights of the linear maps are kept while
// an adapter is trained, whatever the model's files have:
//
//	base: nf4
//
// The zero Base keeps what the files have, packed for the products once. A format
// packs nothing for good: of a weight there are the values in the format, and in
// every product a few of its columns. With {dir: …} it is the former place of the
// key model, which is read still.
type Base struct {
	Format string // one of Formats; "": the files'
	Dir    string `yaml:"dir"`
}

// Formats are the formats of a base.
var Formats = []string{"float32", "bf16", "f16", "int8", "nf4"}

func (b Base) validate() error {
	if b.Format != "" && !slices.Contains(Formats, b.Format) {
		return &fieldError{"base", fmt.Sprintf("is %q, must be one of %s", b.Format, strings.Join(Formats, ", "))}
	}
	return nil
}

func (b Base) MarshalYAML() (any, error)    { return b.Format, nil }
func (b Base) MarshalJSON() ([]byte, error) { return json.Marshal(b.Format) }

func (b *Base) decodeNode(d *decoder, path string, n ast.Node) error {
	*b = Base{}
	if isScalar(n) {
		return d.scalar(path, n, &b.Format)
	}
	return d.fields(path, n, b)
}

// load reads a model of a folder in the format, with the head if it is not nil.
func (b Base) load(dir string, head *pretrained.Head) (nn.Model, error) {
	switch {
	case b.Format == "" && head == nil:
		return pretrained.Load(dir)
	case b.Format == "":
		return pretrained.LoadWith(dir, head)
	}
	format, err := kernels.ParseDtype(strings.Replace(b.Format, "float32", kernels.F32.String(), 1))
	if err != nil {
		return nil, err
	}
	return pretrained.LoadKept(dir, format, head)
}

func (c *Checkpoint) decodeNode(d *decoder, path string, n ast.Node) error {
	if isScalar(n) {
		return d.scalar(path, n, &c.Blocks)
	}
	return d.fields(path, n, c)
}
