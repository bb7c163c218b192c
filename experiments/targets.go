package experiments

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/lowrank/lowrank/lora"
)

// Targets says which linear maps of the model get an adapter, in PEFT's ways:
//
//	targets: all-linear
//	targets: q_proj
//	targets: [q_proj, v_proj]
//	targets: {regex: 'model\.layers\.[01]\..*_proj'}
//
// Exactly one field is set.
type Targets struct {
	AllLinear bool
	Names     []string // of modules, or ends of their names at a dot
	Regex     string   `yaml:"regex"` // matches a module's whole name
}

func (t Targets) validate() error {
	set := 0
	for _, given := range []bool{t.AllLinear, len(t.Names) > 0, t.Regex != ""} {
		if given {
			set++
		}
	}
	if set != 1 {
		return &fieldError{"targets", "must be all-linear, a name, a list of names, or {regex: '…'}"}
	}
	for i, name := range t.Names {
		if name == "" {
			return &fieldError{"targets", fmt.Sprintf("name %d is empty", i+1)}
		}
	}
	if _, err := regexp.Compile(t.Regex); err != nil {
		return &fieldError{"targets.regex", fmt.Sprintf("%q: %v", t.Regex, err)}
	}
	return nil
}

// spelling is what a configuration says for t.
func (t Targets) spelling() any {
	switch {
	case t.AllLinear:
		return "all-linear"
	case t.Regex != "":
		return map[string]string{"regex": t.Regex}
	default:
		return t.Names
	}
}

func (t Targets) MarshalYAML() (any, error)    { return t.spelling(), nil }
func (t Targets) MarshalJSON() ([]byte, error) { return json.Marshal(t.spelling()) }

func (t *Targets) decodeNode(d *decoder, path string, n ast.Node) error {
	*t = Targets{}
	if list, ok := n.(*ast.SequenceNode); ok {
		t.Names = make([]string, len(list.Values))
		for i, v := range list.Values {
			if err := d.scalar(fmt.Sprintf("%s[%d]", path, i), v, &t.Names[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if !isScalar(n) {
		return d.fields(path, n, t)
	}
	var name string
	if err := d.scalar(path, n, &name); err != nil {
		return err
	}
	if name == "all-linear" {
		t.AllLinear = true
		return nil
	}
	t.Names = []string{name}
	return nil
}

// Patterns are the targets as package lora selects by them.
func (t Targets) Patterns() lora.Targets {
	switch {
	case t.AllLinear:
		return lora.Targets{"all-linear"}
	case t.Regex != "":
		return lora.Targets{t.Regex}
	default:
		return t.Names
	}
}

// String names the targets for a reader.
func (t Targets) String() string {
	switch {
	case t.AllLinear:
		return "all linear maps of the blocks"
	case t.Regex != "":
		return "maps that match " + t.Regex
	default:
		return strings.Join(t.Names, ", ")
	}
}
