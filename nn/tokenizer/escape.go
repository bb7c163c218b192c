package tokenizer

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// escape reads what follows a backslash in a pattern: a class or a character.
func (p *patternParser) escape() (charset, error) {
	r := p.next()
	switch r {
	case 's':
		return whitespace, nil
	case 'S':
		return whitespace.not(), nil
	case 'd':
		return digits, nil
	case 'D':
		return digits.not(), nil
	case 'w':
		return wordChars, nil
	case 'W':
		return wordChars.not(), nil
	case 'p', 'P':
		return p.property(r == 'P')
	case 'n':
		return chars("\n"), nil
	case 'r':
		return chars("\r"), nil
	case 't':
		return chars("\t"), nil
	case 'f':
		return chars("\f"), nil
	case 'v':
		return chars("\v"), nil
	case 'a':
		return chars("\a"), nil
	case 'e':
		return chars("\x1b"), nil
	case 'x':
		return p.hex(2)
	case 'u':
		return p.hex(4)
	case -1:
		return nil, fmt.Errorf(`ends in \`)
	}
	if unicode.IsLetter(r) || unicode.IsDigit(r) {
		return nil, fmt.Errorf(`\%c is not supported`, r)
	}
	return charset{{r, r}}, nil
}

// hex reads {1F600}, or exactly that many digits.
func (p *patternParser) hex(digits int) (charset, error) {
	text := ""
	if p.take("{") {
		inner, rest, ok := strings.Cut(p.rest, "}")
		if !ok {
			return nil, fmt.Errorf(`\x{ is not closed`)
		}
		text, p.rest = inner, rest
	} else if len(p.rest) >= digits {
		text, p.rest = p.rest[:digits], p.rest[digits:]
	}
	n, err := strconv.ParseUint(text, 16, 32)
	if err != nil || n > unicode.MaxRune || digits == 2 && len(text) == 2 && n >= 0x80 {
		return nil, fmt.Errorf("%q is not a character's number", brief(text))
	}
	return charset{{rune(n), rune(n)}}, nil
}

// property reads {L}, {^L}, {Lu}, {Han} or {White_Space}: a category, a script
// or a property of Unicode.
func (p *patternParser) property(negate bool) (charset, error) {
	name, rest, ok := strings.Cut(p.rest, "}")
	if !ok || !strings.HasPrefix(name, "{") {
		return nil, fmt.Errorf(`\p without {…}`)
	}
	p.rest = rest
	name = name[1:]
	if inner, ok := strings.CutPrefix(name, "^"); ok {
		name, negate = inner, !negate
	}
	var set charset
	if table := unicode.Categories[name]; table != nil {
		set = tables(table)
	} else if table := unicode.Scripts[name]; table != nil {
		set = tables(table)
	} else if table := unicode.Properties[name]; table != nil {
		set = tables(table)
	} else if name == "Any" {
		set = charset{{0, unicode.MaxRune}}
	} else {
		return nil, fmt.Errorf(`\p{%s} is not supported`, brief(name))
	}
	if negate {
		set = set.not()
	}
	return set, nil
}
