package tokenizer

import "strings"

// A behaviour says what becomes of the matches that a text is cut at.
type behaviour int

const (
	removed            behaviour = iota // "a-b" → "a" "b"
	isolated                            // "a-b" → "a" "-" "b"
	mergedWithPrevious                  // "a-b" → "a-" "b"
	mergedWithNext                      // "a-b" → "a" "-b"
	contiguous                          // as isolated, and neighbouring matches are one piece
)

var behaviours = map[string]behaviour{
	"Removed": removed, "Isolated": isolated, "MergedWithPrevious": mergedWithPrevious,
	"MergedWithNext": mergedWithNext, "Contiguous": contiguous,
}

// A splitter cuts pieces at the matches of a pattern, or of a literal text.
type splitter struct {
	pattern   *automaton // nil: literal
	literal   string
	behaviour behaviour
	invert    bool // what lies between the matches takes their part
}

func (s *splitter) pretokenize(p *passage) {
	if s.pattern == nil && !p.some(func(text string) bool { return strings.Contains(text, s.literal) }) {
		if s.invert && s.behaviour == removed {
			p.cut(func(pieces []piece, i, j int) []piece { return pieces })
		}
		return
	}
	p.cut(func(pieces []piece, i, j int) []piece {
		c := cutting{pieces: pieces, behaviour: s.behaviour}
		s.each(p.text[i:j], func(start, end int, match bool) {
			c.add(i+start, i+end, match != s.invert)
		})
		return c.pieces
	})
}

// each visits the matches and what lies between them, in order.
func (s *splitter) each(text string, visit func(start, end int, match bool)) {
	at := 0
	find := search{a: s.pattern, text: text}
	for at < len(text) {
		start, end := 0, 0
		if s.pattern != nil {
			start, end = find.next(at)
		} else if i := strings.Index(text[at:], s.literal); i >= 0 {
			start, end = at+i, at+i+len(s.literal)
		} else {
			start, end = len(text), len(text)
		}
		if at < start {
			visit(at, start, false)
		}
		if start < end {
			visit(start, end, true)
		}
		at = end
	}
}

// A cutting gathers the pieces of one text.
type cutting struct {
	pieces    []piece
	behaviour behaviour
	last      bool // whether the last stretch was a match
	any       bool // whether there was one
}

// add takes the next stretch, and whether it is a match.
func (c *cutting) add(start, end int, match bool) {
	join := false // with the piece before
	switch c.behaviour {
	case removed:
		if match {
			return
		}
	case contiguous:
		join = c.any && match == c.last
	case mergedWithPrevious:
		join = c.any && match && !c.last
	case mergedWithNext: // of several matches in a row, the last one
		join = c.any && !match && c.last
	}
	if join {
		c.pieces[len(c.pieces)-1].end = end
	} else {
		c.pieces = append(c.pieces, piece{start, end, open})
	}
	c.last, c.any = match, true
}
