package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// An Encoding is a text, or a pair of texts, as tokens. All lists are equally
// long.
type Encoding struct {
	IDs               []int
	Tokens            []string // as the vocabulary writes them; of a Unigram model's unknown text, the text
	TypeIDs           []int    // which text the token belongs to, as the post-processor numbers them
	Offsets           [][2]int // the bytes of its own text that the token stands for, in whole characters; [0, 0] for one that was added
	SpecialTokensMask []int    // 1: added around the texts, or padding
	AttentionMask     []int    // 0: padding
}

// Len is the number of tokens.
func (e *Encoding) Len() int { return len(e.IDs) }

// slice keeps the tokens i..j.
func (e *Encoding) slice(i, j int) {
	e.IDs, e.Tokens, e.Offsets = e.IDs[i:j], e.Tokens[i:j], e.Offsets[i:j]
}

// A trim takes white space at the ends of tokens of the byte alphabet out of
// their offsets, except the space that stands for the prefix of the text.
type trim struct{ prefix bool }

func (t trim) apply(e *Encoding, text string) {
	space := func(r rune) bool { return r == byteChar[' '] || unicode.IsSpace(r) }
	for i, token := range e.Tokens {
		left := utf8.RuneCountInString(token) - utf8.RuneCountInString(strings.TrimLeftFunc(token, space))
		right := utf8.RuneCountInString(token) - utf8.RuneCountInString(strings.TrimRightFunc(token, space))
		o := &e.Offsets[i]
		if left == 1 && t.prefix && (i == 0 || o[0] == 0) {
			left = 0
		}
		start, end := o[0], o[1]
		for ; left > 0 && start < end; left-- {
			_, n := utf8.DecodeRuneInString(text[start:])
			start += n
		}
		for ; right > 0 && start < end; right-- {
			_, n := utf8.DecodeLastRuneInString(text[:end])
			end -= n
		}
		*o = [2]int{start, end}
	}
}

// frame puts the sequences together as the template says.
func (t template) frame(sequences []Encoding, special bool) Encoding {
	n := t.added()
	for _, s := range sequences {
		n += s.Len()
	}
	e := Encoding{
		IDs: make([]int, 0, n), Tokens: make([]string, 0, n), TypeIDs: make([]int, 0, n), Offsets: make([][2]int, 0, n),
		SpecialTokensMask: make([]int, 0, n), AttentionMask: make([]int, 0, n),
	}
	for _, p := range t {
		ids, tokens, offsets, mask := p.ids, p.tokens, [][2]int(nil), 1
		if p.sequence >= 0 {
			s := sequences[p.sequence]
			ids, tokens, offsets, mask = s.IDs, s.Tokens, s.Offsets, 0
		} else if special {
			offsets = make([][2]int, len(ids))
		} else {
			continue
		}
		e.IDs = append(e.IDs, ids...)
		e.Tokens = append(e.Tokens, tokens...)
		e.Offsets = append(e.Offsets, offsets...)
		for range ids {
			e.TypeIDs = append(e.TypeIDs, p.kind)
			e.SpecialTokensMask = append(e.SpecialTokensMask, mask)
			e.AttentionMask = append(e.AttentionMask, 1)
		}
	}
	return e
}
