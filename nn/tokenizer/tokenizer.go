package tokenizer

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"unicode/utf8"
)

// A Tokenizer turns texts to the ids of a model's vocabulary and back. It does
// not change, and may be used from several goroutines at once.
type Tokenizer struct {
	added         *addedTokens
	normalizers   []normalizer
	pretokenizers []pretokenizer
	model         model
	vocabulary    *vocabulary
	post          *postprocessor
	decoders      []decoder
	truncation    *truncation
	padding       *padding

	surface int  // the id of which Encoding.Tokens shows the text, or -1
	whole   bool // pieces are cut finer than the file says: none is left out before truncation
	benches sync.Pool
}

// Load reads a tokenizer.json. An error begins with the path, and names the
// field that is missing, malformed or not supported.
func Load(path string) (*Tokenizer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parse(path, data)
}

// Parse reads the text of a tokenizer.json; an error calls it by that name.
func Parse(data []byte) (*Tokenizer, error) { return parse("tokenizer.json", data) }

func parse(name string, data []byte) (*Tokenizer, error) {
	t, err := read(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

func read(data []byte) (*Tokenizer, error) {
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("is not UTF-8")
	}
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("is not JSON: %w", err)
	}
	var err error
	file := field{"", raw, &err}.object()
	if v := file.at("version"); v.raw != nil && v.str() != "1.0" {
		v.fail("is %s: 1.0 is supported", brief(string(v.raw)))
	}
	t := &Tokenizer{surface: -1}
	t.normalizers = normalizers(file.at("normalizer"))
	t.pretokenizers = pretokenizers(file.at("pre_tokenizer"))
	if err != nil {
		return nil, err
	}
	t.readModel(file.need("model"))
	if err != nil {
		return nil, err
	}
	t.added = readAdded(file.at("added_tokens"), t.vocabulary, t.normalizers)
	t.post = readPostprocessor(file.at("post_processor"))
	t.decoders = decoders(file.at("decoder"))
	t.truncation = readTruncation(file.at("truncation"), t.post)
	t.padding = readPadding(file.at("padding"))
	t.benches.New = func() any { return newBench() }
	return t, err
}

// readModel reads the model, and fits it and the pre-tokenizers together.
func (t *Tokenizer) readModel(f field) {
	var last *byteLevel
	if n := len(t.pretokenizers); n > 0 {
		last, _ = t.pretokenizers[n-1].(*byteLevel)
	}
	t.model, t.vocabulary = readModel(f, last != nil)
	switch m := t.model.(type) {
	case *bpe:
		if m.raw != nil {
			last.spell = false
		}
		if s := m.seam(); s != nil {
			t.pretokenizers = append(t.pretokenizers, s)
			t.whole = true
		}
	case *unigram:
		t.surface = m.unknown
	}
}

// Encode turns a text to tokens; special adds those that the post-processor
// frames a text with. Bytes that are not UTF-8 are read as U+FFFD each.
func (t *Tokenizer) Encode(text string, special bool) Encoding {
	return t.encode(t.post.single, special, text)
}

// EncodePair turns two texts to the tokens of one input.
func (t *Tokenizer) EncodePair(a, b string, special bool) Encoding {
	return t.encode(t.post.pair, special, a, b)
}

func (t *Tokenizer) encode(frame template, special bool, texts ...string) Encoding {
	var list [2]Encoding
	sequences := list[:len(texts)]
	for i, text := range texts {
		t.sequence(&sequences[i], text)
	}
	if t.truncation != nil {
		n := t.truncation.length
		if special {
			n -= frame.added()
		}
		t.truncation.apply(sequences, n)
	}
	for i, text := range texts {
		for _, trim := range t.post.trims {
			trim.apply(&sequences[i], text)
		}
	}
	e := frame.frame(sequences, special)
	if t.padding != nil {
		t.padding.apply(&e)
	}
	return e
}

// sequence fills in the ids, tokens and offsets of one text.
func (t *Tokenizer) sequence(e *Encoding, text string) {
	b := t.benches.Get().(*bench)
	defer t.benches.Put(b)
	p := &b.passage
	p.begin(text)
	t.added.extract(p, &t.added.literal)
	normalize(t.normalizers, p)
	t.added.extract(p, &t.added.normalized)
	for _, pre := range t.pretokenizers {
		pre.pretokenize(p)
	}
	t.tokenize(b)
	n := len(b.list)
	e.IDs, e.Tokens, e.Offsets = make([]int, n), make([]string, n), make([][2]int, n)
	for i, token := range b.list {
		e.IDs[i], e.Offsets[i] = token.id, p.span(token.start, token.end)
		switch {
		case token.id < 0: // an added token, which shows its text
			e.IDs[i] = ^token.id
			fallthrough
		case token.id == t.surface:
			e.Tokens[i] = p.text[token.start:token.end]
		default:
			e.Tokens[i] = t.vocabulary.tokens[token.id]
		}
	}
}

// tokenize runs the model over the pieces, into b.list; added tokens get their
// ids' complements. With a truncation it stops when that many tokens are there.
func (t *Tokenizer) tokenize(b *bench) {
	p := &b.passage
	b.list = b.list[:0]
	if t.truncation != nil && !t.whole {
		p.pieces = t.needed(b)
		b.list = b.list[:0]
	}
	for _, q := range p.pieces {
		if q.token != open {
			b.list = append(b.list, token{^q.token, q.start, q.end})
			continue
		}
		begin := len(b.list)
		b.list = b.tokenize(b.list, p.text[q.start:q.end], t.model)
		for i := begin; i < len(b.list); i++ {
			b.list[i].start += q.start
			b.list[i].end += q.start
		}
	}
}

// needed is the pieces from which the truncation takes its tokens.
func (t *Tokenizer) needed(b *bench) []piece {
	pieces, n := b.passage.pieces, 0
	for k := range pieces {
		at := k
		if t.truncation.left {
			at = len(pieces) - 1 - k
		}
		q := pieces[at]
		if q.token != open {
			n++
			continue
		}
		b.list = b.tokenize(b.list[:0], b.passage.text[q.start:q.end], t.model)
		if n += len(b.list); n < t.truncation.length {
			continue
		}
		if t.truncation.left {
			return pieces[at:]
		}
		return pieces[:at+1]
	}
	return pieces
}

// Decode turns ids back to a text; skipSpecial leaves special tokens out. Ids
// that the vocabulary lacks are left out.
func (t *Tokenizer) Decode(ids []int, skipSpecial bool) string {
	tokens := make([]string, 0, len(ids))
	for _, id := range ids {
		token, ok := t.shown(id)
		if ok && !(skipSpecial && t.added.special[token]) {
			tokens = append(tokens, token)
		}
	}
	for _, d := range t.decoders {
		tokens = d(tokens)
	}
	return strings.Join(tokens, "")
}

// shown is what Decode reads for an id.
func (t *Tokenizer) shown(id int) (string, bool) {
	if token, ok := t.added.shown[id]; ok {
		return token, true
	}
	if t.vocabulary.has(id) {
		return t.vocabulary.tokens[id], true
	}
	return "", false
}

// TokenToID is the id of a token; false if the vocabulary lacks it.
func (t *Tokenizer) TokenToID(token string) (int, bool) {
	if id, ok := t.added.ids[token]; ok {
		return id, true
	}
	id, ok := t.vocabulary.ids[token]
	return id, ok
}

// Size is the number of tokens, with the added ones.
func (t *Tokenizer) Size() int {
	n := len(t.vocabulary.ids)
	for token := range t.added.ids {
		if t.vocabulary.find(token) < 0 {
			n++
		}
	}
	return n
}
