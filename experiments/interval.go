package experiments

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// An Interval is how often something happens, in steps; 0: never, and
// AtCheckpoints: whenever the run's state is saved, and at the end.
type Interval int

// AtCheckpoints is written "checkpoints".
const AtCheckpoints Interval = -1

const atCheckpoints = "checkpoints"

// due reports whether it is time after a step. What happens every so many steps
// happens at the first step and the last one too.
func (i Interval) due(step, steps, checkpoints int) bool {
	switch {
	case i == AtCheckpoints:
		return step == steps || checkpoints > 0 && step > 0 && step%checkpoints == 0
	case i <= 0:
		return false
	}
	return step <= 1 || step == steps || step%int(i) == 0
}

func (i *Interval) decodeNode(d *decoder, path string, n ast.Node) error {
	if s, quoted, ok := text(n); ok && (quoted || s == atCheckpoints) {
		if s != atCheckpoints {
			return d.errorf(n, "%s: is the text %s, must be a number of steps, 0 for never, or %s", path, printable(s), atCheckpoints)
		}
		*i = AtCheckpoints
		return nil
	}
	var steps int
	if err := d.scalar(path, n, &steps); err != nil {
		return err
	}
	if steps < 0 || steps > 1e9 {
		return d.errorf(n, "%s: is %d, must be from 0 to 1e+09, or %s", path, steps, atCheckpoints)
	}
	*i = Interval(steps)
	return nil
}

// String writes it as a configuration does.
func (i Interval) String() string {
	if i == AtCheckpoints {
		return atCheckpoints
	}
	return strconv.Itoa(int(i))
}

func (i Interval) MarshalYAML() (any, error) {
	if i == AtCheckpoints {
		return atCheckpoints, nil
	}
	return int(i), nil
}

func (i Interval) MarshalJSON() ([]byte, error) {
	v, _ := i.MarshalYAML()
	return json.Marshal(v)
}

func (i Interval) validate(field string) error {
	if i < AtCheckpoints || i > 1e9 {
		return &fieldError{field, fmt.Sprintf("is %d, must be from 0 to 1e+09, or %s", int(i), atCheckpoints)}
	}
	return nil
}
