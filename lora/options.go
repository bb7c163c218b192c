package lora

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"unicode"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/nearest"
)

// setOption overrides a number of a part. The options of a part are its
// exported fields of kind int, float64 and bool (0 or 1), in kebab case.
func (m *Method) setOption(name string, value float64) error {
	var found slot
	var all []string
	for _, s := range slots {
		for _, option := range options(m.part(s)) {
			qualified := string(s) + "." + option
			all = append(all, qualified)
			if name != option && name != qualified {
				continue
			}
			if found != "" {
				return fmt.Errorf("lora: option %q is of two parts: write %s.%s or %s.%s", name, found, name, s, name)
			}
			found = s
		}
	}
	if found == "" {
		if len(all) == 0 {
			return fmt.Errorf("lora: option %q: method %s has no options", name, m.Name)
		}
		return fmt.Errorf("lora: option %q: method %s has, nearest first: %s", name, m.Name, nearest.Choices(name, all))
	}
	p, err := override(m.part(found), strings.TrimPrefix(name, string(found)+"."), value)
	if err != nil {
		return fmt.Errorf("lora: option %q %w", name, err)
	}
	m.setPart(found, p)
	return nil
}

// options lists the options of a part.
func options(p adapter.Part) []string {
	t := reflect.TypeOf(p)
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for f := range t.Fields() {
		switch f.Type.Kind() {
		case reflect.Int, reflect.Float64, reflect.Bool:
			if f.IsExported() {
				names = append(names, kebab(f.Name))
			}
		}
	}
	return names
}

// override returns a copy of p with one option set.
func override(p adapter.Part, option string, value float64) (adapter.Part, error) {
	v := reflect.New(reflect.TypeOf(p)).Elem()
	v.Set(reflect.ValueOf(p))
	for f, field := range v.Fields() {
		if kebab(f.Name) != option {
			continue
		}
		switch field.Kind() {
		case reflect.Float64:
			if math.IsNaN(value) || math.IsInf(value, 0) {
				return nil, fmt.Errorf("is %v: must be a number", value)
			}
			field.SetFloat(value)
		case reflect.Int:
			if value != math.Trunc(value) || math.Abs(value) > 1<<31 {
				return nil, fmt.Errorf("is %v: must be a whole number", value)
			}
			field.SetInt(int64(value))
		case reflect.Bool:
			if value != 0 && value != 1 {
				return nil, fmt.Errorf("is %v: must be 0 or 1", value)
			}
			field.SetBool(value == 1)
		}
	}
	return v.Interface().(adapter.Part), nil
}

// kebab writes TopK as top-k.
func kebab(name string) string {
	var b strings.Builder
	lower := false
	for _, r := range name {
		if lower && unicode.IsUpper(r) {
			b.WriteByte('-')
		}
		lower = unicode.IsLower(r) || unicode.IsDigit(r)
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
