package tokenizer

import "unicode/utf8"

// wordPiece takes the longest entry that a word begins with, then the longest
// that goes on with the prefix of continuations, and so forth; a word that
// cannot be taken apart to its end is unknown as a whole (BERT; Wu et al.
// 2016, arXiv 1609.08144).
type wordPiece struct {
	entries   *trie
	goesOn    int32 // the node that the continuation prefix leads to, or -1
	unknown   int
	maxLength int // characters of a word; a longer one is unknown
}

func readWordPiece(o object) (model, *vocabulary) {
	v := readVocabulary(o.need("vocab"))
	m := &wordPiece{
		entries:   newTrie(),
		unknown:   v.unknown(o.need("unk_token")),
		maxLength: o.need("max_input_chars_per_word").integer(1 << 40),
	}
	for text, id := range v.ids {
		m.entries.add(text, id)
	}
	m.goesOn = m.entries.walk(root, o.need("continuing_subword_prefix").str())
	return m, v
}

func (m *wordPiece) tokenize(list []token, text string, _ *bench) []token {
	if len(text) > m.maxLength && utf8.RuneCountInString(text) > m.maxLength {
		return append(list, token{m.unknown, 0, len(text)})
	}
	begin, node := len(list), root
	for i := 0; i < len(text); {
		n, id := 0, -1
		if node >= 0 {
			n, id = m.entries.longest(node, text[i:])
		}
		if id < 0 || n == 0 {
			return append(list[:begin], token{m.unknown, 0, len(text)})
		}
		list = append(list, token{id, i, i + n})
		i, node = i+n, m.goesOn
	}
	return list
}
