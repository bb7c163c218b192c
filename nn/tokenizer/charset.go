package tokenizer

import (
	"slices"
	"sort"
	"sync"
	"unicode"
	"unicode/utf8"
)

// A charset is a set of characters: ranges from lo to hi, ascending, apart.
type charset []charRange

type charRange struct{ lo, hi rune }

// normalise sorts the ranges and joins those that touch.
func (s charset) normalise() charset {
	slices.SortFunc(s, func(a, b charRange) int { return int(a.lo) - int(b.lo) })
	out := s[:0]
	for _, r := range s {
		if n := len(out); n > 0 && r.lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, r.hi)
		} else {
			out = append(out, r)
		}
	}
	return out
}

func (s charset) has(r rune) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i].hi >= r })
	return i < len(s) && s[i].lo <= r
}

func (s charset) not() charset {
	var out charset
	next := rune(0)
	for _, r := range s {
		if r.lo > next {
			out = append(out, charRange{next, r.lo - 1})
		}
		next = r.hi + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, charRange{next, unicode.MaxRune})
	}
	return out
}

func (s charset) or(t charset) charset { return append(slices.Clone(s), t...).normalise() }

func (s charset) and(t charset) charset { return s.not().or(t.not()).not() }

// fold adds the other cases of every character.
func (s charset) fold() charset {
	out := slices.Clone(s)
	for _, r := range cased() {
		if s.has(r) {
			for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
				out = append(out, charRange{f, f})
			}
		}
	}
	return out.normalise()
}

// cased are the characters that have another case.
var cased = sync.OnceValue(func() (list []rune) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.SimpleFold(r) != r {
			list = append(list, r)
		}
	}
	return list
})

// chars is the set of the characters of a text.
func chars(text string) charset {
	var s charset
	for _, r := range text {
		s = append(s, charRange{r, r})
	}
	return s.normalise()
}

// tables is the union of Unicode's tables.
func tables(list ...*unicode.RangeTable) charset {
	var s charset
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			s = append(s, charRange{lo, hi})
			return
		}
		for r := lo; r <= hi; r += stride {
			s = append(s, charRange{r, r})
		}
	}
	for _, t := range list {
		for _, r := range t.R16 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range t.R32 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
	}
	return s.normalise()
}

// alphabet sorts all characters into classes that no given set tells apart:
// what an automaton branches on. Class 0 is the end of the text.
type alphabet struct {
	ascii   [utf8.RuneSelf]uint8
	pages   []*[256]uint8 // for the others, by r>>8
	samples []rune        // one character of every class; samples[0] stands for the end
}

// classes divides the characters by the sets; false if that takes more than
// 255 classes.
func classes(sets []charset) (*alphabet, bool) {
	cuts := []rune{0}
	for _, s := range sets {
		for _, r := range s {
			cuts = append(cuts, r.lo, r.hi+1)
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	a := &alphabet{samples: []rune{-1}, pages: make([]*[256]uint8, (unicode.MaxRune+1)>>8)}
	known := map[string]uint8{}
	page := map[[256]uint8]*[256]uint8{}
	var now [256]uint8
	signature := make([]byte, len(sets))
	for i, lo := range cuts {
		if lo > unicode.MaxRune {
			break
		}
		hi := rune(unicode.MaxRune)
		if i+1 < len(cuts) {
			hi = min(hi, cuts[i+1]-1)
		}
		for k, s := range sets {
			signature[k] = 0
			if s.has(lo) {
				signature[k] = 1
			}
		}
		class, ok := known[string(signature)]
		if !ok {
			if len(a.samples) == 256 {
				return nil, false
			}
			class = uint8(len(a.samples))
			known[string(signature)] = class
			a.samples = append(a.samples, lo)
		}
		for r := lo; r <= hi; r++ {
			now[r&255] = class
			if r&255 == 255 { // the page is full: equal pages are kept once
				if page[now] == nil {
					full := now
					page[now] = &full
				}
				a.pages[r>>8] = page[now]
			}
		}
	}
	copy(a.ascii[:], a.pages[0][:])
	return a, true
}

// class is the class of the character at the head of s, and its length.
func (a *alphabet) class(s string) (uint8, int) {
	if len(s) == 0 {
		return 0, 0
	}
	if c := s[0]; c < utf8.RuneSelf {
		return a.ascii[c], 1
	}
	r, n := utf8.DecodeRuneInString(s)
	return a.pages[r>>8][r&255], n
}
