package nn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Fields are the keys of a model's config.json. A family asks for those that
// change its mathematics; [Fields.Done] then refuses what was not asked for,
// by name, unless it is known to change nothing. The first value that cannot
// be is the error that Done returns; what is asked for after it gets its
// default.
type Fields struct {
	path string // "" or the key of the object, with a dot
	raw  map[string]json.RawMessage
	used map[string]bool
	err  *error // of the whole file
}

// maxDepth is how deep arrays and objects may nest.
const maxDepth = 32

// ReadFields reads a config.json.
func ReadFields(data []byte) (*Fields, error) {
	if err := checkDepth(data); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	f := &Fields{used: map[string]bool{}, err: new(error)}
	if err := json.Unmarshal(data, &f.raw); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if f.raw == nil {
		return nil, errors.New("config: null: must be an object")
	}
	return f, nil
}

// checkDepth refuses arrays and objects that nest deeper than any model's.
func checkDepth(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	for depth := 0; ; {
		t, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth > maxDepth {
			return fmt.Errorf("nests deeper than %d", maxDepth)
		}
	}
}

// Fail makes the error of the key the one that Done returns, unless there is
// one already.
func (f *Fields) Fail(key, format string, args ...any) {
	if *f.err == nil {
		*f.err = fmt.Errorf("config: %s%s%s", f.path, plain(key), fmt.Sprintf(format, args...))
	}
}

// plain is a key in an error message, quoted where it would break the line.
func plain(key string) string {
	if q := strconv.Quote(key); q != `"`+key+`"` {
		return q
	}
	return key
}

// Refuse is Fail for a value that is sound, but of what is not computed here: the
// error is [Unsupported].
func (f *Fields) Refuse(key, format string, args ...any) {
	if *f.err == nil {
		f.Fail(key, format, args...)
		*f.err = Unsupported(*f.err)
	}
}

// Has reports whether the key is there and not null. It is then as good as
// asked for.
func (f *Fields) Has(key string) bool {
	f.used[key] = true
	raw, ok := f.raw[key]
	return ok && string(raw) != "null"
}

// read decodes the value of a key, if there is one.
func read[T any](f *Fields, key, what string, otherwise T) T {
	if !f.Has(key) {
		return otherwise
	}
	var v T
	if err := json.Unmarshal(f.raw[key], &v); err != nil {
		f.Fail(key, " = %s: must be %s", short(f.raw[key]), what)
		return otherwise
	}
	return v
}

// short is a value in an error message, on one line.
func short(raw json.RawMessage) string {
	const most = 60
	var line bytes.Buffer
	if json.Compact(&line, raw) == nil {
		raw = line.Bytes()
	}
	if len(raw) > most {
		return string(raw[:most]) + "…"
	}
	return string(raw)
}

// Bool returns a truth value.
func (f *Fields) Bool(key string, otherwise bool) bool {
	return read(f, key, "true or false", otherwise)
}

// String returns a string.
func (f *Fields) String(key, otherwise string) string {
	return read(f, key, "a string", otherwise)
}

// Strings returns a list of strings.
func (f *Fields) Strings(key string) []string {
	return read[[]string](f, key, "a list of strings", nil)
}

// Float returns a finite number.
func (f *Fields) Float(key string, otherwise float64) float64 {
	return read(f, key, "a number", otherwise)
}

// Floats returns a list of numbers.
func (f *Fields) Floats(key string) []float64 {
	return read[[]float64](f, key, "a list of numbers", nil)
}

// Positive returns a number above 0.
func (f *Fields) Positive(key string, otherwise float64) float64 {
	v := f.Float(key, otherwise)
	if !(v > 0) || math.IsInf(v, 0) {
		f.Fail(key, " = %g: must be positive", v)
	}
	return v
}

// Bounds of sizes: far above any model, far below what would overflow or take
// all day to refuse.
const (
	maxSize  = 1 << 24
	maxCount = 1 << 12
	maxTotal = 1 << 38
)

// Size returns a width, a length or a number of rows: 1 to 2²⁴. It must be
// there unless otherwise, which is then the value, is above 0.
func (f *Fields) Size(key string, otherwise int) int { return f.within(key, otherwise, 1, maxSize) }

// Count returns a number of layers or of labels: 1 to 4096.
func (f *Fields) Count(key string, otherwise int) int { return f.within(key, otherwise, 1, maxCount) }

// Index returns a number from 0 to 2²⁴.
func (f *Fields) Index(key string, otherwise int) int { return f.within(key, otherwise, 0, maxSize) }

func (f *Fields) within(key string, otherwise, low, high int) int {
	if !f.Has(key) && otherwise < low {
		f.Fail(key, " is missing: must lie between %d and %d", low, high)
		return low
	}
	v := read(f, key, "a whole number", otherwise)
	if v < low || v > high {
		f.Fail(key, " = %d: must lie between %d and %d", v, low, high)
		return low
	}
	return v
}

// Divides fails unless the size of one key is a multiple of that of another.
func (f *Fields) Divides(key string, n int, whole string, of int) {
	if n < 1 || of%n != 0 {
		f.Fail(whole, " = %d: must be a multiple of %s = %d", of, key, n)
	}
}

// Total fails when a product of sizes, or a sum of such products that the
// caller adds up, is more values than any model has.
func (f *Fields) Total(sizes ...int) {
	n := 1.0
	for _, s := range sizes {
		n *= float64(s)
	}
	if n > maxTotal {
		f.Fail("", "the model would have more than %d parameters", int64(maxTotal))
	}
}

// Only fails when the key is there and has another value than these, which are
// all that is computed here. null is as good as absent.
func (f *Fields) Only(key string, values ...any) {
	if !f.Has(key) {
		return
	}
	var v any
	_ = json.Unmarshal(f.raw[key], &v) // the whole was decoded before
	for _, want := range values {
		if n, ok := want.(int); ok {
			want = float64(n)
		}
		if v == want {
			return
		}
	}
	var list []string
	for _, want := range values {
		b, _ := json.Marshal(want)
		list = append(list, string(b))
	}
	f.Refuse(key, " = %s: must be %s", short(f.raw[key]), strings.Join(append(list, "absent"), " or "))
}

// Ignore marks keys that change nothing in this family.
func (f *Fields) Ignore(keys ...string) {
	for _, key := range keys {
		f.used[key] = true
	}
}

// Object returns the fields of an object, or nil where there is none. Its own
// Done is the caller's to call.
func (f *Fields) Object(key string) *Fields {
	if !f.Has(key) {
		return nil
	}
	o := &Fields{path: f.path + key + ".", used: map[string]bool{}, err: f.err}
	if err := json.Unmarshal(f.raw[key], &o.raw); err != nil {
		f.Fail(key, " = %s: must be an object", short(f.raw[key]))
		return nil
	}
	return o
}

// Labels returns the number of classes: as many as id2label names, or
// num_labels, which must agree; 2 where neither is there.
func (f *Fields) Labels() int {
	names := read[map[string]any](f, "id2label", "an object", nil)
	const usual = 2
	if len(names) == 0 {
		return f.Count("num_labels", usual)
	}
	n := f.Count("num_labels", len(names))
	if len(names) != n {
		f.Fail("num_labels", " = %d: id2label has %d", n, len(names))
	}
	return n
}

// Architecture returns the one of the known names that architectures has; the
// first, where the key is absent.
func (f *Fields) Architecture(known ...string) string {
	switch names := f.Strings("architectures"); {
	case len(names) == 0:
	case len(names) == 1 && slices.Contains(known, names[0]):
		return names[0]
	default:
		f.Refuse("architectures", " = %s: must be one of %s", short(f.raw["architectures"]), strings.Join(known, ", "))
	}
	return known[0]
}

// Padding returns pad_token_id, or otherwise where the key is absent; null and -1
// are none, -1.
func (f *Fields) Padding(otherwise int) int {
	raw, ok := f.raw["pad_token_id"]
	switch f.used["pad_token_id"] = true; {
	case !ok:
		return otherwise
	case string(raw) == "null" || string(raw) == "-1":
		return -1
	}
	return f.Index("pad_token_id", 0)
}

// SequenceTask returns the task of a classifier of sequences or images with so
// many labels, as problem_type or, without it, their number says.
func (f *Fields) SequenceTask(labels int) Task {
	switch kind := f.String("problem_type", ""); kind {
	case "":
		if labels == 1 {
			return Regression
		}
		return Classification
	case "regression":
		return Regression
	case "single_label_classification":
		return Classification
	case "multi_label_classification":
		return MultiLabel
	default:
		f.Fail("problem_type", " = %q: must be regression, single_label_classification or multi_label_classification", kind)
		return Features
	}
}

// harmless are keys that every configuration may have and that change neither
// the forward pass nor the loss. Dropout is among them: the base is frozen and
// runs without.
var harmless = strings.Fields(`_attn_implementation _commit_hash _name_or_path architectures bos_token_id dtype
	eos_token_id pad_token_id sep_token_id cls_token_id unk_token_id mask_token_id finetuning_task gradient_checkpointing
	initializer_factor initializer_range layer_norm_init model_max_length model_type name_or_path num_labels
	output_attentions output_hidden_states prefix return_dict task_specific_params
	tokenizer_class torch_dtype torchscript transformers_version use_bfloat16 use_cache label2id
	pretraining_tp auto_map language adapters unsloth_fixed unsloth_version
	max_length min_length do_sample num_beams temperature top_k top_p early_stopping repetition_penalty
	length_penalty no_repeat_ngram_size chunk_size_feed_forward`)

// Done returns the first error, or one that names a key which nobody asked for
// and which may change the mathematics. Keys that are null, false or empty
// say nothing; "_" and "dropout" in a name say that it is of training.
func (f *Fields) Done() error {
	for _, key := range slices.Sorted(maps.Keys(f.raw)) {
		switch raw := string(f.raw[key]); {
		case f.used[key], raw == "null", raw == "false", raw == `""`, raw == "[]", raw == "{}":
		case key == "quantization_config" && isNF4(f.raw[key]): // the tensors say it themselves
		case slices.Contains(harmless, key), strings.HasPrefix(key, "_"), strings.Contains(key, "dropout"), strings.HasSuffix(key, "_pdrop"):
		default:
			f.Refuse(key, " = %s: not known here, and it may change what the model computes", short(f.raw[key]))
		}
	}
	return *f.err
}

// isNF4 reports whether a quantization_config is that of bitsandbytes' 4 bits.
func isNF4(raw json.RawMessage) bool {
	var c struct {
		Method string `json:"quant_method"`
		Four   bool   `json:"load_in_4bit"`
		Type   string `json:"bnb_4bit_quant_type"`
	}
	return json.Unmarshal(raw, &c) == nil && c.Method == "bitsandbytes" && c.Four && c.Type == "nf4"
}
