package tokenizer

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// bpe starts from characters (or bytes) and merges neighbours, the pair that
// stands first in the list of merges first and of equal pairs the leftmost,
// until no neighbours are in that list (Sennrich et al. 2016, arXiv
// 1508.07909).
type bpe struct {
	vocabulary *vocabulary
	whole      map[string]int // ignore_merges: pieces that are entries stay whole
	merges     map[pair]merge
	prefix     string // of every character but a piece's first
	suffix     string // of a piece's last character
	unknown    int    // -1: unknown characters are left out
	fuse       bool   // neighbouring unknown characters are one token
	fallback   *[256]int
	raw        *[256]int // characters are bytes: their ids, -1 for none
	rawLast    *[256]int // and with the suffix
}

type pair struct{ left, right int32 }

type merge struct{ rank, id int32 }

func readBPE(o object, bytes bool) (model, *vocabulary) {
	v := readVocabulary(o.need("vocab"))
	m := &bpe{
		vocabulary: v,
		prefix:     o.at("continuing_subword_prefix").strOr(""),
		suffix:     o.at("end_of_word_suffix").strOr(""),
		fuse:       o.at("fuse_unk").boolOr(false),
		unknown:    -1,
	}
	if d := o.at("dropout"); !d.null() && d.number() != 0 {
		d.fail("is %s: random merges are not supported", brief(string(d.raw)))
	}
	if o.at("byte_fallback").boolOr(false) {
		m.fallback = v.byteTokens()
	}
	m.readMerges(o.need("merges"))
	if bytes && m.prefix == "" && m.fallback == nil {
		m.useBytes()
	}
	if o.at("ignore_merges").boolOr(false) {
		m.whole = v.ids
		if m.raw != nil {
			m.whole = make(map[string]int, len(v.ids))
			for text, id := range v.ids {
				if word, ok := rawBytes(text); ok {
					m.whole[word] = id
				}
			}
		}
	}
	if f := o.at("unk_token"); !f.null() {
		if text := f.str(); v.find(text) >= 0 || !m.complete() {
			m.unknown = v.unknown(f)
		}
	}
	return m, v
}

// useBytes makes the bytes of a text the symbols to begin with, instead of the
// characters of the byte alphabet.
func (m *bpe) useBytes() {
	m.raw, m.rawLast = new([256]int), new([256]int)
	for b := range 256 {
		m.raw[b] = m.vocabulary.find(string(byteChar[b]))
		m.rawLast[b] = m.vocabulary.find(string(byteChar[b]) + m.suffix)
	}
}

// complete reports whether no text can have unknown characters.
func (m *bpe) complete() bool {
	for b := range 256 {
		if m.raw != nil && (m.raw[b] < 0 || m.rawLast[b] < 0) || m.raw == nil && (m.fallback == nil || m.fallback[b] < 0) {
			return false
		}
	}
	return true
}

// readMerges reads ["a b", …] or [["a", "b"], …].
func (m *bpe) readMerges(f field) {
	var pairs [][]string
	if err := json.Unmarshal(f.raw, &pairs); err != nil {
		var lines []string
		if json.Unmarshal(f.raw, &lines) != nil {
			if f.raw != nil {
				f.fail("want an array of pairs of strings, or of strings \"a b\"")
			}
			return
		}
		pairs = nil
		for _, line := range lines {
			if !strings.HasPrefix(line, "#version") {
				pairs = append(pairs, strings.Split(line, " "))
			}
		}
	}
	m.merges = make(map[pair]merge, len(pairs))
	for rank, p := range pairs {
		fail := func(format string, args ...any) {
			field{f.path + "[" + strconv.Itoa(rank) + "]", f.raw, f.err}.fail(format, args...)
		}
		if len(p) != 2 {
			fail("want two tokens, got %d", len(p))
			return
		}
		rest, continues := strings.CutPrefix(p[1], m.prefix)
		if !continues {
			fail("%s does not begin with %s", brief(strconv.Quote(p[1])), brief(strconv.Quote(m.prefix)))
			return
		}
		for _, text := range []string{p[0], p[1], p[0] + rest} {
			if m.vocabulary.find(text) < 0 {
				fail("%s is not in the vocabulary", brief(strconv.Quote(text)))
				return
			}
		}
		left, right := m.vocabulary.find(p[0]), m.vocabulary.find(p[1])
		m.merges[pair{int32(left), int32(right)}] = merge{int32(rank), int32(m.vocabulary.find(p[0] + rest))}
	}
}

// find is the merge of two neighbours; its rank is never if there is none.
func (m *bpe) find(left, right int32) merge {
	if found, ok := m.merges[pair{left, right}]; ok {
		return found
	}
	return merge{rank: unmergeable}
}

const unmergeable = math.MaxInt32

func (m *bpe) tokenize(list []token, text string, b *bench) []token {
	if m.whole != nil {
		if id, ok := m.whole[text]; ok {
			return append(list, token{id, 0, len(text)})
		}
	}
	s := &b.symbols
	s.ids, s.sizes = s.ids[:0], s.sizes[:0]
	if m.raw != nil {
		m.spellBytes(s, text)
	} else {
		m.spell(s, text)
	}
	if len(s.ids) <= shortWord {
		s.mergeShort(m)
	} else {
		s.mergeLong(m)
	}
	at := 0
	for i, id := range s.ids {
		list = append(list, token{int(id), at, at + int(s.sizes[i])})
		at += int(s.sizes[i])
	}
	return list
}

// spellBytes begins with the bytes of text.
func (m *bpe) spellBytes(s *symbols, text string) {
	unknown := 0 // bytes that an unknown token not yet added stands for
	for i := range len(text) {
		id := m.raw[text[i]]
		if i == len(text)-1 {
			id = m.rawLast[text[i]]
		}
		unknown = m.spellOne(s, id, 1, unknown)
	}
	m.flush(s, unknown)
}

// spell begins with the characters of text.
func (m *bpe) spell(s *symbols, text string) {
	unknown := 0
	for i := 0; i < len(text); {
		_, n := utf8.DecodeRuneInString(text[i:])
		char := text[i : i+n]
		if i > 0 && m.prefix != "" {
			char = m.prefix + char
		}
		if i+n == len(text) && m.suffix != "" {
			char += m.suffix
		}
		i += n
		id := m.vocabulary.find(char)
		if id < 0 && m.spellFallback(s, char) {
			continue
		}
		unknown = m.spellOne(s, id, n, unknown)
	}
	m.flush(s, unknown)
}

// spellOne adds a symbol of n bytes, or counts them to the unknown ones.
func (m *bpe) spellOne(s *symbols, id, n, unknown int) int {
	if id >= 0 {
		m.flush(s, unknown)
		s.add(id, n)
		return 0
	}
	if m.unknown < 0 {
		return 0
	}
	if !m.fuse {
		m.flush(s, unknown)
		return n
	}
	return unknown + n
}

func (m *bpe) flush(s *symbols, unknown int) {
	if unknown > 0 {
		s.add(m.unknown, unknown)
	}
}

// spellFallback adds the tokens of the bytes of char, if there are all.
func (m *bpe) spellFallback(s *symbols, char string) bool {
	if m.fallback == nil {
		return false
	}
	for k := range len(char) {
		if m.fallback[char[k]] < 0 {
			return false
		}
	}
	for k := range len(char) {
		s.add(m.fallback[char[k]], 1)
	}
	return true
}
