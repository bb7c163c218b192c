package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// A field is one value of tokenizer.json with the path that leads to it. The
// methods that read it return a zero value when it is not what they ask for,
// and keep the first such complaint in err, where Parse finds it: loaders read
// field after field and need not stop at each.
type field struct {
	path string
	raw  []byte // nil: the field is missing
	err  *error
}

func (f field) fail(format string, args ...any) {
	if *f.err != nil {
		return
	}
	message := fmt.Sprintf(format, args...)
	if f.path != "" {
		message = f.path + ": " + message
	}
	*f.err = fmt.Errorf("%s", message)
}

// kind names the value in an error.
func (f field) kind() string {
	if len(f.raw) == 0 {
		return "nothing"
	}
	switch f.raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

func (f field) null() bool { return f.raw == nil || f.raw[0] == 'n' }

func (f field) str() string {
	var s string
	if f.kind() != "a string" {
		f.fail("want a string, got %s", f.kind())
	} else if err := json.Unmarshal(f.raw, &s); err != nil {
		f.fail("%v", err)
	}
	return s
}

// strOr is the string, or other where the field is null or missing.
func (f field) strOr(other string) string {
	if f.null() {
		return other
	}
	return f.str()
}

// char is a string of one character.
func (f field) char() string {
	s := f.str()
	if n := len([]rune(s)); n != 1 {
		f.fail("want one character, got %d", n)
		return " "
	}
	return s
}

func (f field) boolean() bool {
	if f.kind() != "a boolean" {
		f.fail("want true or false, got %s", f.kind())
		return false
	}
	return f.raw[0] == 't'
}

func (f field) boolOr(other bool) bool {
	if f.null() {
		return other
	}
	return f.boolean()
}

// integer is a whole number in 0..most.
func (f field) integer(most int) int {
	if f.kind() != "a number" {
		f.fail("want a number, got %s", f.kind())
		return 0
	}
	n, err := strconv.ParseInt(string(f.raw), 10, 64)
	if err != nil || n < 0 || n > int64(most) {
		f.fail("is %s, must be a whole number in 0..%d", brief(string(f.raw)), most)
		return 0
	}
	return int(n)
}

func (f field) number() float64 {
	if f.kind() != "a number" {
		f.fail("want a number, got %s", f.kind())
		return 0
	}
	x, err := strconv.ParseFloat(string(f.raw), 64)
	if err != nil {
		f.fail("is %s, beyond a 64-bit float", brief(string(f.raw)))
	}
	return x
}

// elements are the values of an array.
func (f field) elements() []field {
	if f.kind() != "an array" {
		f.fail("want an array, got %s", f.kind())
		return nil
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(f.raw, &raw); err != nil {
		f.fail("%v", err)
		return nil
	}
	list := make([]field, len(raw))
	for i, r := range raw {
		list[i] = field{f.path + "[" + strconv.Itoa(i) + "]", r, f.err}
	}
	return list
}

// An object is a field that holds named fields.
type object struct {
	field
	names   []string
	members map[string][]byte
}

// object reads the names, of which none may occur twice.
func (f field) object() object {
	o := object{field: f, members: map[string][]byte{}}
	if f.kind() != "an object" {
		f.fail("want an object, got %s", f.kind())
		return o
	}
	d := json.NewDecoder(bytes.NewReader(f.raw))
	d.Token() // the brace; the text is known to be valid JSON
	for d.More() {
		name, _ := d.Token()
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			f.fail("%v", err)
			return o
		}
		key, _ := name.(string)
		if _, twice := o.members[key]; twice {
			f.fail("%s occurs twice", brief(strconv.Quote(key)))
			return o
		}
		o.members[key] = value
		o.names = append(o.names, key)
	}
	return o
}

// at is the field of that name, which may be missing.
func (o object) at(name string) field {
	path := name
	if o.path != "" {
		path = o.path + "." + name
	}
	return field{path, o.members[name], o.err}
}

// need is the field of that name; a missing one is an error.
func (o object) need(name string) field {
	f := o.at(name)
	if f.raw == nil {
		f.fail("is missing")
	}
	return f
}

// maxDepth bounds sequences in sequences.
const maxDepth = 32

// steps are the steps of a pipeline: none of null, one of an object with a type, or
// those of a Sequence, which holds them under a name and of which each may be a
// Sequence again.
func (f field) steps(name string) []object {
	if f.null() {
		return nil
	}
	return f.appendSteps(nil, name, 0)
}

func (f field) appendSteps(steps []object, name string, depth int) []object {
	o := f.object()
	if o.need("type").str() != "Sequence" {
		return append(steps, o)
	}
	if depth == maxDepth {
		f.fail("nests more than %d deep", maxDepth)
		return steps
	}
	for _, part := range o.need(name).elements() {
		steps = part.appendSteps(steps, name, depth+1)
	}
	return steps
}

// brief shortens what an error quotes.
func brief(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
