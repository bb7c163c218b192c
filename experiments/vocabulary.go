package experiments

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/lowrank/lowrank/nn/tokenizer"
)

// A vocabulary turns texts to the tokens of a model, at most so many.
type vocabulary struct {
	most   int
	whole  *tokenizer.Tokenizer // shortens nothing
	cut    *tokenizer.Tokenizer // shortens to most, as transformers does
	before []int32              // what a text is framed with
	after  []int32
	pad    int32
	eos    int32 // -1: none
	mask   int32 // -1: none
	types  bool  // the model takes token types
	size   int   // of the vocabulary
}

// vocabulary opens the folder's tokenizer.
func (f *folder) vocabulary(most int) (*vocabulary, error) {
	const name = "tokenizer.json"
	b, err := f.read(name)
	if err != nil {
		return nil, fmt.Errorf("model: %s: needs %s: %w", f.dir, name, err)
	}
	w := &vocabulary{most: most}
	// What the file says of lengths is what it was saved with, not the model's.
	var file map[string]json.RawMessage
	if err := json.Unmarshal(b, &file); err != nil {
		return nil, fmt.Errorf("model: %s: %s: %w", f.dir, name, err)
	}
	open := func(truncation string) (*tokenizer.Tokenizer, error) {
		file := maps.Clone(file)
		file["truncation"], file["padding"] = json.RawMessage(truncation), json.RawMessage("null")
		b, err := json.Marshal(file)
		if err != nil {
			return nil, err
		}
		return tokenizer.Parse(b)
	}
	if w.whole, err = open("null"); err == nil {
		w.cut, err = open(fmt.Sprintf(`{"direction": "Right", "max_length": %d, "strategy": "LongestFirst", "stride": 0}`, most))
	}
	if err != nil {
		return nil, fmt.Errorf("model: %s: train.tokens is %d: %w", f.dir, most, err)
	}
	w.size = w.whole.Size()
	if f.VocabSize > 0 {
		w.size = min(w.size, f.VocabSize)
	}
	special := f.special()
	token := func(name string, otherwise int32) int32 {
		if id, ok := w.whole.TokenToID(special[name]); ok && special[name] != "" {
			return int32(id)
		}
		return otherwise
	}
	w.eos, w.mask = token("eos_token", id(f.EOSTokenID)), token("mask_token", -1)
	if w.pad = id(f.PadTokenID); w.pad < 0 { // the model's own counts: it may look for it
		w.pad = token("pad_token", max(w.eos, 0))
	}
	types := 1
	if f.TypeVocabSize != nil {
		types = *f.TypeVocabSize
	} else if f.ModelType == "bert" {
		types = 2 // transformers' default
	}
	w.types = types > 1
	w.before, w.after = w.frame()
	return w, nil
}

// special returns the special tokens by the names that transformers has for
// them. Where neither file is there, there are none.
func (f *folder) special() map[string]string {
	found := map[string]string{}
	for _, name := range []string{"special_tokens_map.json", "tokenizer_config.json"} {
		b, err := f.read(name)
		if err != nil {
			continue
		}
		var fields map[string]json.RawMessage
		_ = json.Unmarshal(b, &fields) // what cannot be read names no token
		for _, key := range []string{"eos_token", "pad_token", "mask_token"} {
			var token string
			var added struct{ Content string }
			if json.Unmarshal(fields[key], &token) == nil && token != "" {
				found[key] = token
			} else if json.Unmarshal(fields[key], &added) == nil && added.Content != "" {
				found[key] = added.Content
			}
		}
	}
	return found
}

// frame returns the tokens that are added before and behind a text.
func (w *vocabulary) frame() (before, after []int32) {
	e := w.whole.Encode("a", true)
	inside := false
	for i, id := range e.IDs {
		switch {
		case e.SpecialTokensMask[i] == 0:
			inside = true
		case inside:
			after = append(after, int32(id))
		default:
			before = append(before, int32(id))
		}
	}
	return before, after
}

// A passage is a text, or a pair, as tokens.
type passage struct {
	ids, types []int32
	special    []int // 1: added around the text
	cut        bool  // it was longer
}

// encode turns texts, one or a pair, to at most so many framed tokens.
func (w *vocabulary) encode(texts ...string) passage {
	run := func(t *tokenizer.Tokenizer) tokenizer.Encoding {
		if len(texts) == 2 {
			return t.EncodePair(texts[0], texts[1], true)
		}
		return t.Encode(texts[0], true)
	}
	e := run(w.whole)
	p := passage{cut: e.Len() > w.most}
	if p.cut {
		e = run(w.cut)
	}
	p.ids, p.types, p.special = int32s(e.IDs), int32s(e.TypeIDs), e.SpecialTokensMask
	return p
}

// follow turns a prompt and what follows it, which then ends in eos, to at most
// so many tokens. The tokens from `from` on say something of what follows.
func (w *vocabulary) follow(prompt, target string) (p passage, from int) {
	e := w.whole.Encode(prompt+target, true)
	p.ids, from = int32s(e.IDs), e.Len()
	for i := range e.IDs {
		if e.SpecialTokensMask[i] == 0 && e.Offsets[i][1] > len(prompt) {
			from = i
			break
		}
	}
	p.ids = w.end(p.ids)
	if p.cut = len(p.ids) > w.most; p.cut {
		p.ids = p.ids[:w.most]
	}
	return p, from
}

// end appends eos, unless it stands there already.
func (w *vocabulary) end(ids []int32) []int32 {
	if w.eos >= 0 && (len(ids) == 0 || ids[len(ids)-1] != w.eos) {
		ids = append(ids, w.eos)
	}
	return ids
}

// stream returns the tokens of documents behind each other, with eos or else
// what a text ends with after each. With framed each begins as a text does.
func (w *vocabulary) stream(texts []string, framed bool) []int32 {
	var all []int32
	for _, text := range texts {
		if framed {
			all = append(all, w.before...)
		}
		all = append(all, int32s(w.whole.Encode(text, false).IDs)...)
		if w.eos < 0 {
			all = append(all, w.after...)
		} else {
			all = w.end(all)
		}
	}
	return all
}

func int32s(x []int) []int32 {
	y := make([]int32, len(x))
	for i, v := range x {
		y[i] = int32(v)
	}
	return y
}
