package tokenizer

import (
	"hash/maphash"
	"strings"
)

// A bench is what one Encode works with: buffers, and a cache of the words it
// has met. Calls take theirs from a pool, so none waits for another.
type bench struct {
	passage passage
	list    []token
	words   []cached // by hash; nil until a word is kept
	seed    maphash.Seed
	ways    []way   // of unigram
	symbols symbols // of bpe
}

// A cached word; a later one with the same place in the table replaces it.
type cached struct {
	word   string
	tokens []token
}

const (
	cachePlaces = 1 << 14
	cacheLength = 48 // bytes of the longest word that is kept
)

func newBench() *bench { return &bench{seed: maphash.MakeSeed()} }

// tokenize appends the tokens of word, from the cache if it is there.
func (b *bench) tokenize(list []token, word string, m model) []token {
	if len(word) > cacheLength {
		return m.tokenize(list, word, b)
	}
	if b.words == nil {
		b.words = make([]cached, cachePlaces)
	}
	c := &b.words[maphash.String(b.seed, word)%cachePlaces]
	if c.word == word && word != "" {
		return append(list, c.tokens...)
	}
	begin := len(list)
	list = m.tokenize(list, word, b)
	c.word = strings.Clone(word)
	c.tokens = append(c.tokens[:0], list[begin:]...)
	return list
}
