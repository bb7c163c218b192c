package experiments

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// A Pattern gives values to linear maps by regular expressions on their names.
type Pattern[T int | float64] map[string]T

func (p *Pattern[T]) decodeNode(d *decoder, path string, n ast.Node) error {
	entries, err := d.entries(path, n)
	if err != nil {
		return err
	}
	*p = Pattern[T]{}
	for _, e := range entries {
		var v T
		if err := d.scalar(join(path, e.key), e.value, &v); err != nil {
			return err
		}
		(*p)[e.key] = v
	}
	return nil
}

func (p Pattern[T]) validate(field string) error {
	for _, key := range slices.Sorted(maps.Keys(p)) {
		if _, err := regexp.Compile(key); err != nil {
			return &fieldError{field, fmt.Sprintf("%q: %v", key, err)}
		}
		if v := float64(p[key]); !(v > 0) || v > math.MaxInt32 {
			return &fieldError{field, fmt.Sprintf("%q: %v must be above 0 and at most %d", key, p[key], math.MaxInt32)}
		}
	}
	return nil
}
