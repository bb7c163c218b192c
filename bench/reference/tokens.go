package reference

import (
	"github.com/lowrank/lowrank/nn/tokenizer"
)

// tokens returns the ids of each sentence, without the padding that a
// tokenizer.json may ask for.
func tokens(t *tokenizer.Tokenizer, sentences []string) [][]int {
	var all [][]int
	for _, s := range sentences {
		e := t.Encode(s, true)
		var ids []int
		for i, id := range e.IDs {
			if e.AttentionMask[i] == 1 {
				ids = append(ids, id)
			}
		}
		all = append(all, ids)
	}
	return all
}

// longest returns the most tokens of a text, and how many texts have as many.
func longest(texts [][]int) (most, many int) {
	for _, ids := range texts {
		switch n := len(ids); {
		case n > most:
			most, many = n, 1
		case n == most:
			many++
		}
	}
	return most, many
}
