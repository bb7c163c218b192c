package tokenizer

import "strconv"

// A model turns one piece of text to tokens.
type model interface {
	// tokenize appends the tokens of text, which is not empty.
	tokenize(list []token, text string, b *bench) []token
}

// A token is an entry of the vocabulary and the stretch of its piece that it
// stands for.
type token struct{ id, start, end int }

// A vocabulary is the model's entries.
type vocabulary struct {
	ids    map[string]int
	tokens []string // by id; a gap is an empty string that ids does not lead to
}

// maxID bounds ids, for which an array is kept. The largest vocabularies have
// about a million entries.
const maxID = 1<<22 - 1

func (v *vocabulary) add(f field, text string, id int) {
	if _, twice := v.ids[text]; twice {
		f.fail("%s occurs twice", brief(strconv.Quote(text)))
		return
	}
	for id >= len(v.tokens) {
		v.tokens = append(v.tokens, "")
	}
	if other := v.tokens[id]; v.has(id) {
		f.fail("id %d stands for both %s and %s", id, brief(strconv.Quote(other)), brief(strconv.Quote(text)))
		return
	}
	v.ids[text], v.tokens[id] = id, text
}

// has reports whether an entry has the id.
func (v *vocabulary) has(id int) bool {
	if id < 0 || id >= len(v.tokens) {
		return false
	}
	known, ok := v.ids[v.tokens[id]]
	return ok && known == id
}

// find is the id of text, or -1.
func (v *vocabulary) find(text string) int {
	if id, ok := v.ids[text]; ok {
		return id
	}
	return -1
}

// readVocabulary reads {"token": id, …}.
func readVocabulary(f field) *vocabulary {
	o := f.object()
	v := &vocabulary{ids: make(map[string]int, len(o.names))}
	for _, text := range o.names {
		v.add(f, text, o.at(text).integer(maxID))
	}
	return v
}

// unknown reads the token that stands for what the vocabulary lacks.
func (v *vocabulary) unknown(f field) int {
	text := f.str()
	id := v.find(text)
	if id < 0 {
		f.fail("%s is not in the vocabulary", brief(strconv.Quote(text)))
	}
	return id
}

// readModel reads a model. bytes says that its text comes as bytes where the
// vocabulary is in the byte alphabet.
func readModel(f field, bytes bool) (model, *vocabulary) {
	o := f.object()
	kind := "BPE"
	if t := o.at("type"); t.raw != nil { // old files of BPE have none
		kind = t.str()
	} else if o.at("merges").raw == nil {
		o.need("type")
	}
	switch kind {
	case "BPE":
		return readBPE(o, bytes)
	case "WordPiece":
		return readWordPiece(o)
	case "Unigram":
		return readUnigram(o)
	case "WordLevel":
		v := readVocabulary(o.need("vocab"))
		return &wordLevel{v, v.unknown(o.need("unk_token"))}, v
	}
	o.at("type").fail("%q is not a model that is supported", brief(kind))
	return nil, nil
}

// wordLevel looks pieces up whole.
type wordLevel struct {
	vocabulary *vocabulary
	unknown    int
}

func (m *wordLevel) tokenize(list []token, text string, _ *bench) []token {
	id := m.vocabulary.find(text)
	if id < 0 {
		id = m.unknown
	}
	return append(list, token{id, 0, len(text)})
}
