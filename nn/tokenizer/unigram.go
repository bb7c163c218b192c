package tokenizer

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// unigram cuts a text into the entries with the greatest sum of scores
// (Kudo 2018, arXiv 1804.10959): the best way to each place is the best over
// the entries that end there. Characters that no entry covers are unknown, a
// run of them one token.
type unigram struct {
	entries *trie
	scores  []float64
	unknown int
	penalty float64   // the score of an unknown character
	bytes   *[256]int // ids of <0x00>…<0xFF>, for unknown text; nil: not used
}

func readUnigram(o object) (model, *vocabulary) {
	m := &unigram{entries: newTrie()}
	v := &vocabulary{ids: map[string]int{}}
	list := o.need("vocab")
	lowest := math.Inf(1)
	for id, entry := range list.elements() {
		if *entry.err != nil {
			break
		}
		pair := entry.elements()
		if len(pair) != 2 {
			entry.fail("want [token, score], got %d values", len(pair))
			break
		}
		text, score := pair[0].str(), pair[1].number()
		if id > maxID {
			entry.fail("is beyond the %d entries that are supported", maxID+1)
			break
		}
		v.add(entry, text, id)
		m.entries.add(text, id)
		m.scores = append(m.scores, score)
		lowest = min(lowest, score)
	}
	m.penalty = lowest - 10
	m.unknown = o.need("unk_id").integer(maxID)
	if !v.has(m.unknown) {
		o.at("unk_id").fail("is %d, and the vocabulary has %d entries", m.unknown, len(m.scores))
	}
	if o.at("byte_fallback").boolOr(false) {
		m.bytes = v.byteTokens()
	}
	return m, v
}

// byteTokens are the ids of <0x00>…<0xFF>, -1 where there is none.
func (v *vocabulary) byteTokens() *[256]int {
	var ids [256]int
	for b := range ids {
		ids[b] = v.find(fmt.Sprintf("<0x%02X>", b))
	}
	return &ids
}

// A way is the best way to a place: the entry that ends there, where that
// begins (-1: no way yet), and the score.
type way struct {
	start, id int
	score     float64
}

func (m *unigram) tokenize(list []token, text string, b *bench) []token {
	ways := append(b.ways[:0], way{})
	for range text {
		ways = append(ways, way{start: -1})
	}
	for len(ways) <= len(text) {
		ways = append(ways, way{start: -1})
	}
	b.ways = ways
	for i := 0; i < len(text); {
		score := ways[i].score
		_, size := utf8.DecodeRuneInString(text[i:])
		single := false // an entry of one character
		node := root
		for j := i; j < len(text); {
			if node = m.entries.step(node, text[j]); node < 0 {
				break
			}
			j++
			if id := m.entries.values[node]; id >= 0 {
				if s := score + m.scores[id]; ways[j].start < 0 || s > ways[j].score {
					ways[j] = way{i, int(id), s}
				}
				single = single || j == i+size
			}
		}
		if !single {
			if s := score + m.penalty; ways[i+size].start < 0 || s > ways[i+size].score {
				ways[i+size] = way{i, m.unknown, s}
			}
		}
		i += size
	}
	begin := len(list)
	for j := len(text); j > 0; {
		i := ways[j].start
		if ways[j].id == m.unknown {
			for i > 0 && ways[i].id == m.unknown {
				i = ways[i].start
			}
		}
		list = m.emit(list, text, i, j, ways[j].id)
		j = i
	}
	for i, j := begin, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

// emit appends the tokens of text[i:j] in reverse: one, or one a byte.
func (m *unigram) emit(list []token, text string, i, j, id int) []token {
	if id == m.unknown {
		if known := m.entries.find(text[i:j]); known >= 0 {
			id = known
		} else if m.bytes != nil && m.covers(text[i:j]) {
			for k := j - 1; k >= i; k-- {
				list = append(list, token{m.bytes[text[k]], i, j})
			}
			return list
		}
	}
	return append(list, token{id, i, j})
}

// covers reports whether every byte of text has an entry.
func (m *unigram) covers(text string) bool {
	for k := range len(text) {
		if m.bytes[text[k]] < 0 {
			return false
		}
	}
	return true
}
