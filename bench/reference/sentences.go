package reference

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lowrank/lowrank/experiments/data"
)

// prose returns n sentences from all over the text that every Go installation
// carries, and for each whether it speaks of colours: a label that can be
// learnt and that nobody had to make. Their order is mixed, since the text has
// its colours in some of its chapters.
func prose(n int) (sentences []string, labels []int, err error) {
	text, path, err := data.Prose(0)
	if err != nil {
		return nil, nil, err
	}
	all := split(string(text))
	if len(all) < n {
		return nil, nil, fmt.Errorf("%s has %d sentences: must have %d", path, len(all), n)
	}
	for i, at := range rand.New(rand.NewPCG(1, 1)).Perm(n) {
		s := all[at*len(all)/n]
		sentences, labels = append(sentences, s), append(labels, 0)
		if strings.Contains(strings.ToLower(s), "colour") {
			labels[i] = 1
		}
	}
	return sentences, labels, nil
}

// split cuts paragraphs into sentences: they end in a mark that a capital
// letter follows, or the paragraph's end, and have at least five words.
// Headings and tables have no mark, and are left out.
func split(text string) (sentences []string) {
	const fewest = 5
	for paragraph := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		words := strings.Fields(paragraph)
		from := 0
		for i, w := range words {
			if !strings.ContainsAny(w[len(w)-1:], ".?!") {
				continue
			}
			if i+1 < len(words) {
				if next, _ := utf8.DecodeRuneInString(words[i+1]); !unicode.IsUpper(next) {
					continue
				}
			}
			if i+1-from >= fewest {
				sentences = append(sentences, strings.Join(words[from:i+1], " "))
			}
			from = i + 1
		}
	}
	return sentences
}
