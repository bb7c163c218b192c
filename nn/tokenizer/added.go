package tokenizer

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An addedToken is a text that becomes one token wherever it occurs, before
// the model sees anything of it.
type addedToken struct {
	content    string
	id         int
	singleWord bool // only between characters that are not of words
	left       bool // takes the white space before it along
	right      bool // and after it
	special    bool // left out by Decode if asked
}

// addedTokens are found in two rounds: those that stand as they are in the
// text itself, those that are normalized in the normalized text. Each round
// takes the leftmost token, and of several there the longest.
type addedTokens struct {
	list       []addedToken
	literal    finder
	normalized finder
	shown      map[int]string // by id: what Decode reads, if not the model's entry
	ids        map[string]int
	special    map[string]bool
}

const maxAddedLength = 256 // bytes of an added token

// A finder finds added tokens, by their place in the list.
type finder struct {
	trie  *trie
	first [256]bool // bytes that one begins with
	any   bool
}

func (f *finder) add(text string, place int) {
	f.trie.add(text, place)
	f.first[text[0]] = true
	f.any = true
}

// readAdded reads added_tokens. A token has the id that the model's vocabulary
// gives it, or the next free one; a file that says otherwise is refused.
func readAdded(f field, v *vocabulary, norms []normalizer) *addedTokens {
	a := &addedTokens{shown: map[int]string{}, ids: map[string]int{}, special: map[string]bool{}}
	a.literal.trie, a.normalized.trie = newTrie(), newTrie()
	if f.raw == nil {
		return a
	}
	free := len(v.ids)
	for _, entry := range f.elements() {
		o := entry.object()
		t := addedToken{
			content:    o.need("content").str(),
			id:         o.need("id").integer(maxID),
			singleWord: o.need("single_word").boolean(),
			left:       o.need("lstrip").boolean(),
			right:      o.need("rstrip").boolean(),
			special:    o.need("special").boolean(),
		}
		text := t.content
		quoted := brief(strconv.Quote(text))
		normal := o.need("normalized").boolean()
		if normal {
			text = normalized(norms, text)
		}
		if _, twice := a.ids[t.content]; twice {
			o.fail("%s occurs twice", quoted)
		}
		if text == "" || len(text) > maxAddedLength {
			o.fail("%s has %d bytes once normalized: must be 1..%d", quoted, len(text), maxAddedLength)
		}
		if id := v.find(t.content); id >= 0 && id != t.id {
			o.at("id").fail("is %d, and the model's vocabulary has %s as %d", t.id, quoted, id)
		} else if id < 0 && t.id != free {
			o.at("id").fail("is %d, and the next free id, which %s would get, is %d", t.id, quoted, free)
		} else if id < 0 && v.has(t.id) {
			o.at("id").fail("is %d, which is that of %s in the model's vocabulary", t.id, brief(strconv.Quote(v.tokens[t.id])))
		} else if id < 0 {
			free++
		}
		if *f.err != nil {
			break
		}
		find := &a.literal
		if normal {
			find = &a.normalized
		}
		if find.trie.find(text) >= 0 {
			o.fail("%s is, once normalized, another added token", quoted)
		}
		find.add(text, len(a.list))
		a.list = append(a.list, t)
		a.ids[t.content] = t.id
		a.shown[t.id] = text
		a.special[t.content] = a.special[t.content] || t.special
	}
	return a
}

// extract closes the pieces that are tokens.
func (a *addedTokens) extract(p *passage, f *finder) {
	if !f.any {
		return
	}
	p.cut(func(pieces []piece, i, j int) []piece {
		text, done := p.text[i:j], 0
		for at := 0; at < len(text); {
			if !f.first[text[at]] {
				at++
				continue
			}
			n, place := f.trie.longest(root, text[at:])
			if place < 0 {
				at++
				continue
			}
			t := &a.list[place]
			start, end := at, at+n
			at = end
			if t.singleWord && !alone(text, start, end) {
				continue
			}
			if t.left {
				start = max(done, len(strings.TrimRightFunc(text[:start], unicode.IsSpace)))
			}
			if t.right {
				end = len(text) - len(strings.TrimLeftFunc(text[end:], unicode.IsSpace))
			}
			if done < start {
				pieces = append(pieces, piece{i + done, i + start, open})
			}
			pieces = append(pieces, piece{i + start, i + end, t.id})
			done = end
		}
		if done < len(text) {
			pieces = append(pieces, piece{i + done, j, open})
		}
		return pieces
	})
}

// alone reports whether no character of a word touches text[start:end].
func alone(text string, start, end int) bool {
	before, n := utf8.DecodeLastRuneInString(text[:start])
	after, m := utf8.DecodeRuneInString(text[end:])
	return (n == 0 || !wordChars.has(before)) && (m == 0 || !wordChars.has(after))
}
