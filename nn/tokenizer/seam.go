package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// A seam cuts a text before each ▁ that no merge of a BPE model can join with
// the character before it. Merging the pieces one by one gives the same tokens
// as merging the whole, and words that come again are found in the cache:
// SentencePiece's vocabularies take whole texts as one piece.
type seam struct {
	joins map[rune]bool // characters that some merge joins with a ▁ that follows
}

const spaceMark = "▁"

// seam is nil where cutting could change what the model does.
func (m *bpe) seam() *seam {
	if m.prefix != "" || m.suffix != "" || m.whole != nil || m.raw != nil || m.vocabulary.find(spaceMark) < 0 {
		return nil
	}
	s := &seam{map[rune]bool{}}
	for p := range m.merges {
		if id := int(p.left); id == m.unknown || m.isFallback(id) { // stands for other characters than its own
			return nil
		}
		if id := int(p.right); id == m.unknown || m.isFallback(id) {
			return nil
		}
		if strings.HasPrefix(m.vocabulary.tokens[p.right], spaceMark) {
			r, _ := utf8.DecodeLastRuneInString(m.vocabulary.tokens[p.left])
			s.joins[r] = true
		}
	}
	return s
}

func (m *bpe) isFallback(id int) bool {
	if m.fallback == nil {
		return false
	}
	for _, b := range m.fallback {
		if b == id {
			return true
		}
	}
	return false
}

func (s *seam) pretokenize(p *passage) {
	p.cut(func(pieces []piece, i, j int) []piece {
		start := i
		for at := i; ; at += len(spaceMark) {
			n := strings.Index(p.text[at:j], spaceMark)
			if n < 0 {
				return append(pieces, piece{start, j, open})
			}
			at += n
			if r, _ := utf8.DecodeLastRuneInString(p.text[start:at]); at > start && !s.joins[r] {
				pieces = append(pieces, piece{start, at, open})
				start = at
			}
		}
	})
}
