package tokenizer

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The patterns of tokenizer.json are Oniguruma's regular expressions. This
// file reads the part of that language that can be matched in one pass:
// classes, groups, alternatives, all greedy and lazy quantifiers, possessive
// ones on a single class, a look-ahead of one character, $ and \z. Whatever
// else it meets, such as a look-behind or a back reference, it refuses by name.

// A node is a part of a pattern.
type node struct {
	op       nodeOp
	set      charset // of one character, or of the character looked at
	end      bool    // look: holds at the end of the text too
	list     []*node // of a sequence or of alternatives; of a repeat, one
	min, max int     // of a repeat; max < 0 means without bound
	lazy     bool
}

type nodeOp int

const (
	opChar nodeOp = iota
	opLook
	opSequence
	opEither
	opRepeat
)

var (
	whitespace = tables(unicode.White_Space)
	digits     = tables(unicode.Nd)
	// wordChars are those of \w (Unicode TS 18, annex C).
	wordChars = tables(unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic, unicode.Join_Control)
)

const maxRepeat = 1000 // of a counted quantifier

type patternParser struct {
	rest  string
	fold  bool
	depth int
}

// parsePattern reads a pattern.
func parsePattern(pattern string) (*node, error) {
	if len(pattern) > 1<<14 {
		return nil, fmt.Errorf("pattern has %d bytes: at most %d", len(pattern), 1<<14)
	}
	p := &patternParser{rest: pattern}
	n, err := p.either()
	if err == nil && p.rest != "" {
		err = fmt.Errorf("unmatched )")
	}
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", brief(pattern), err)
	}
	return n, nil
}

func (p *patternParser) take(prefix string) bool {
	rest, ok := strings.CutPrefix(p.rest, prefix)
	p.rest = rest
	return ok
}

func (p *patternParser) next() rune {
	if p.rest == "" {
		return -1
	}
	r, n := utf8.DecodeRuneInString(p.rest)
	p.rest = p.rest[n:]
	return r
}

func (p *patternParser) either() (*node, error) {
	if p.depth++; p.depth > 50 {
		return nil, fmt.Errorf("groups nest more than 50 deep")
	}
	defer func(fold bool) { p.depth--; p.fold = fold }(p.fold)
	either := &node{op: opEither}
	for {
		sequence, err := p.sequence()
		if err != nil {
			return nil, err
		}
		either.list = append(either.list, sequence)
		if !p.take("|") {
			return either, nil
		}
	}
}

func (p *patternParser) sequence() (*node, error) {
	sequence := &node{op: opSequence}
	for p.rest != "" && p.rest[0] != '|' && p.rest[0] != ')' {
		n, err := p.atom()
		if err == nil {
			n, err = p.quantified(n)
		}
		if err != nil {
			return nil, err
		}
		sequence.list = append(sequence.list, n)
	}
	return sequence, nil
}

func (p *patternParser) atom() (*node, error) {
	switch r := p.next(); r {
	case '(':
		return p.group()
	case '[':
		set, err := p.class()
		if p.fold {
			set = set.fold()
		}
		return &node{op: opChar, set: set}, err
	case '.':
		return &node{op: opChar, set: chars("\n").not()}, nil
	case '$':
		return &node{op: opLook, set: chars("\n"), end: true}, nil
	case '^':
		return nil, fmt.Errorf("^ looks back: it is not supported")
	case '*', '+', '?':
		return nil, fmt.Errorf("%c repeats nothing", r)
	case '\\':
		if p.take("z") {
			return &node{op: opLook, end: true}, nil
		}
		set, err := p.escape()
		if p.fold {
			set = set.fold()
		}
		return &node{op: opChar, set: set}, err
	default:
		set := charset{{r, r}}
		if p.fold {
			set = set.fold()
		}
		return &node{op: opChar, set: set}, nil
	}
}

func (p *patternParser) group() (*node, error) {
	look, negate := false, false
	fold := p.fold
	switch {
	case p.take("?:"):
	case p.take("?i:"):
		p.fold = true
	case p.take("?-i:"):
		p.fold = false
	case p.take("?i)"): // to the end of the enclosing group
		p.fold = true
		return p.either()
	case p.take("?="):
		look = true
	case p.take("?!"):
		look, negate = true, true
	case p.take("?"):
		return nil, fmt.Errorf("(?%s is not supported", brief(p.rest))
	}
	n, err := p.either()
	p.fold = fold
	if err != nil {
		return nil, err
	}
	if !p.take(")") {
		return nil, fmt.Errorf("a group is not closed")
	}
	if !look {
		return n, nil
	}
	for len(n.list) == 1 && n.op != opChar {
		n = n.list[0]
	}
	if n.op != opChar {
		return nil, fmt.Errorf("a look-ahead of more than one character is not supported")
	}
	if negate {
		return &node{op: opLook, set: n.set.not(), end: true}, nil
	}
	return &node{op: opLook, set: n.set}, nil
}

// quantified reads the quantifiers that follow n.
func (p *patternParser) quantified(n *node) (*node, error) {
	for {
		low, high, counted := 0, -1, false
		switch {
		case p.take("*"):
		case p.take("+"):
			low = 1
		case p.take("?"):
			high = 1
		case strings.HasPrefix(p.rest, "{"):
			var ok bool
			if low, high, ok = p.counts(); !ok {
				return nil, fmt.Errorf("the quantifier at %q is not supported", brief(p.rest))
			}
			counted = true
		default:
			return n, nil
		}
		if low > maxRepeat || high > maxRepeat || high >= 0 && high < low {
			return nil, fmt.Errorf("cannot repeat {%d,%d} times: at most %d, and ascending", low, high, maxRepeat)
		}
		repeat := &node{op: opRepeat, list: []*node{n}, min: low, max: high}
		switch {
		case strings.HasPrefix(p.rest, "+") && counted:
			return nil, fmt.Errorf("a possessive {…}+ is not supported")
		case strings.HasPrefix(p.rest, "?") && counted && low == high:
			return nil, fmt.Errorf("{…}? is not supported")
		case p.take("?"):
			repeat.lazy = true
		case p.take("+"): // as greedy, and then the class does not follow
			if n.op != opChar {
				return nil, fmt.Errorf("a possessive quantifier on more than one class is not supported")
			}
			past := &node{op: opLook, set: n.set.not(), end: true}
			if high == 1 {
				empty := &node{op: opSequence, list: []*node{past}}
				n = &node{op: opEither, list: []*node{n, empty}}
			} else {
				n = &node{op: opSequence, list: []*node{repeat, past}}
			}
			continue
		}
		n = repeat
	}
}

// counts reads {n}, {n,}, {,m} or {n,m}.
func (p *patternParser) counts() (low, high int, ok bool) {
	body, rest, closed := strings.Cut(p.rest[1:], "}")
	first, second, comma := strings.Cut(body, ",")
	if !closed || first == "" && second == "" {
		return 0, 0, false
	}
	var err error
	if first != "" {
		if low, err = strconv.Atoi(first); err != nil || low < 0 {
			return 0, 0, false
		}
	}
	switch high = low; {
	case comma && second == "":
		high = -1
	case comma:
		if high, err = strconv.Atoi(second); err != nil || high < 0 {
			return 0, 0, false
		}
	}
	p.rest = rest
	return low, high, true
}

// class reads what follows [, to its ].
func (p *patternParser) class() (charset, error) {
	if p.depth++; p.depth > 50 {
		return nil, fmt.Errorf("classes nest more than 50 deep")
	}
	defer func() { p.depth-- }()
	negate := p.take("^")
	var all charset // the sets before the last &&
	var set charset
	crossed := false
	finish := func() {
		if set = set.normalise(); crossed {
			set = all.and(set)
		}
	}
	for first := true; ; first = false {
		if p.rest == "" {
			return nil, fmt.Errorf("a class [ is not closed")
		}
		if p.take("&&") {
			finish()
			all, set, crossed = set, nil, true
			continue
		}
		if strings.HasPrefix(p.rest, "[:") {
			return nil, fmt.Errorf("the class at %q is not supported", brief(p.rest))
		}
		if p.take("[") {
			inner, err := p.class()
			if err != nil {
				return nil, err
			}
			set = append(set, inner...)
			continue
		}
		if !first && p.take("]") {
			break
		}
		low, err := p.member()
		if err != nil {
			return nil, err
		}
		if len(low) == 1 && low[0].lo == low[0].hi && len(p.rest) > 1 && p.rest[0] == '-' && p.rest[1] != ']' && p.rest[1] != '[' {
			p.take("-")
			high, err := p.member()
			if err != nil {
				return nil, err
			}
			if len(high) != 1 || high[0].lo != high[0].hi || high[0].lo < low[0].lo {
				return nil, fmt.Errorf("a class holds a range that does not ascend")
			}
			low = charset{{low[0].lo, high[0].lo}}
		}
		set = append(set, low...)
	}
	finish()
	if negate {
		set = set.not()
	}
	return set, nil
}

// member reads one character of a class, or an escape.
func (p *patternParser) member() (charset, error) {
	r := p.next()
	if r == '\\' {
		return p.escape()
	}
	return charset{{r, r}}, nil
}
