package experiments

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// decoder fills structs from parsed YAML and knows every key by its dotted
// path. It is stricter than a YAML library: an unknown key, a key without a
// value, a number in quotes, text for a number, and a fraction for a whole
// number are errors with a place.
type decoder struct {
	name  string   // of the file
	keys  []string // all valid paths
	where map[string]*token.Token
}

// nodeDecoder is a type with spellings of its own.
type nodeDecoder interface {
	decodeNode(d *decoder, path string, n ast.Node) error
}

func newDecoder(name string, v any) *decoder {
	return &decoder{name: name, keys: paths("", reflect.TypeOf(v).Elem()), where: map[string]*token.Token{}}
}

// paths lists the keys of the struct type t and of those inside it.
func paths(prefix string, t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		f := t.Field(i)
		key := yamlKey(f)
		if key == "" {
			continue
		}
		keys = append(keys, join(prefix, key))
		if f.Type.Kind() == reflect.Struct {
			keys = append(keys, paths(join(prefix, key), f.Type)...)
		}
	}
	return keys
}

// yamlKey is the key of a struct's field, or "".
func yamlKey(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return key
}

func join(prefix, key string) string {
	if prefix == "" {
		return key
	}
	return prefix + "." + key
}

// version checks the key "version" before all others: in another version they
// may be right.
func (d *decoder) version(root ast.Node) error {
	entries, err := d.entries("", root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.key != "version" {
			continue
		}
		var v int
		if err := d.scalar("version", e.value, &v); err != nil {
			return err
		}
		if v != ConfigVersion {
			return d.errorf(e.value, "version: is %d, this lowrank reads version %d", v, ConfigVersion)
		}
		return nil
	}
	return d.errorf(root, "version: is missing, want version: %d", ConfigVersion)
}

// decode fills the struct that v points to from the document root.
func (d *decoder) decode(root ast.Node, v any) error { return d.fields("", root, v) }

// fields fills the struct that v points to; a key that n lacks keeps its value.
func (d *decoder) fields(path string, n ast.Node, v any) error {
	entries, err := d.entries(path, n)
	if err != nil {
		return err
	}
	s := reflect.ValueOf(v).Elem()
	for _, e := range entries {
		field, ok := fieldOf(s, e.key)
		if !ok {
			return at(d.name, e.token, "%s: unknown key%s", printable(join(path, e.key)), suggestion(path, e.key, d.keys))
		}
		if err := d.value(join(path, e.key), e.value, field.Addr().Interface()); err != nil {
			return err
		}
	}
	return nil
}

func fieldOf(s reflect.Value, key string) (reflect.Value, bool) {
	for i := range s.NumField() {
		if yamlKey(s.Type().Field(i)) == key && key != "" {
			return s.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func (d *decoder) value(path string, n ast.Node, v any) error {
	d.where[path] = place(n)
	if v, ok := v.(nodeDecoder); ok {
		return v.decodeNode(d, path, n)
	}
	if reflect.TypeOf(v).Elem().Kind() == reflect.Struct {
		return d.fields(path, n, v)
	}
	return d.scalar(path, n, v)
}

// entry is a key of a map, with its value.
type entry struct {
	key   string
	token *token.Token
	value ast.Node
}

// entries lists the keys of a map in their order. (That no key comes twice, the
// parser has seen to.)
func (d *decoder) entries(path string, n ast.Node) ([]entry, error) {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		if path == "" {
			return nil, d.errorf(n, "is %s, must be keys with values, as version: %d", kind(n), ConfigVersion)
		}
		return nil, d.errorf(n, "%s: is %s, must be keys with values", printable(path), kind(n))
	}
	entries := make([]entry, len(values))
	for i, v := range values {
		key, _, ok := text(v.Key)
		if !ok {
			return nil, d.errorf(v.Key, "%s: a key must be a word", join(path, "…"))
		}
		entries[i] = entry{key, v.Key.GetToken(), v.Value}
	}
	return entries, nil
}

// scalar sets v, which points to text or a number, from the node n.
func (d *decoder) scalar(path string, n ast.Node, v any) error {
	s, quoted, ok := text(n)
	if !ok {
		return d.errorf(n, "%s: is %s, must be %s", printable(path), kind(n), wanted(v))
	}
	var err error
	switch v := v.(type) {
	case *string:
		if strings.ContainsFunc(s, unicode.IsControl) { // by an escape in double quotes
			return d.errorf(n, "%s: is %s, must be %s", printable(path), printable(s), wanted(v))
		}
		*v = s
		return nil
	case *bool:
		if *v, err = strconv.ParseBool(s); s != "true" && s != "false" {
			err = strconv.ErrSyntax // "1" and "T" are true to strconv
		}
	case *int:
		var i int64
		i, err = strconv.ParseInt(s, 10, strconv.IntSize)
		*v = int(i)
	case *int64:
		*v, err = strconv.ParseInt(s, 10, 64)
	case *uint64:
		*v, err = strconv.ParseUint(s, 10, 64)
	case *float64:
		*v, err = strconv.ParseFloat(s, 64)
		if err == nil && (math.IsNaN(*v) || math.IsInf(*v, 0)) {
			err = strconv.ErrSyntax // "nan" and "inf" are numbers to strconv
		}
	default:
		return fmt.Errorf("experiments: configuration field %s has type %T, which has no form in YAML", path, v)
	}
	switch {
	case quoted:
		return d.errorf(n, "%s: is the text %s, must be %s", printable(path), printable(s), wanted(v))
	case errors.Is(err, strconv.ErrRange):
		return d.errorf(n, "%s: %s is too large", printable(path), printable(s))
	case err != nil:
		return d.errorf(n, "%s: is %s, must be %s", printable(path), printable(s), wanted(v))
	}
	return nil
}

// text is the text of a scalar as it was written, and whether in quotes.
func text(n ast.Node) (s string, quoted, ok bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode, *ast.BoolNode:
		return n.GetToken().Value, false, true
	}
	return "", false, false
}

func isScalar(n ast.Node) bool {
	_, _, ok := text(n)
	return ok
}

func wanted(v any) string {
	switch v.(type) {
	case *string:
		return "text of one line"
	case *bool:
		return "true or false"
	case *float64:
		return "a finite number, as 0.001 or 1e-3"
	case *uint64:
		return "a whole number of at least 0, in digits"
	default:
		return "a whole number, in digits"
	}
}

func kind(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys with values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode, nil:
		return "without a value"
	case *ast.LiteralNode:
		return "text of several lines"
	}
	if s, _, ok := text(n); ok {
		return printable(s)
	}
	return "something else"
}

// printable quotes s where it would not stand well in a line of text, and cuts
// it where it would fill the screen.
func printable(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	if q := strconv.Quote(s); s == "" || q != `"`+s+`"` {
		return q
	}
	return s
}

// place is the token at which n starts; a block's own token is its first colon.
func place(n ast.Node) *token.Token {
	switch n := n.(type) {
	case nil:
		return nil
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return n.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	}
	return n.GetToken()
}

func (d *decoder) errorf(n ast.Node, format string, args ...any) error {
	return at(d.name, place(n), format, args...)
}

// locate adds to an error about a field where the file sets it; a default value
// has no place.
func (d *decoder) locate(err error) error {
	var e *fieldError
	if errors.As(err, &e) {
		return at(d.name, d.where[e.field], "%s", e.Error())
	}
	return fmt.Errorf("%s: %w", d.name, err)
}
