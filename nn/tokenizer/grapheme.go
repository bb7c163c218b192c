package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// clusterEnd is the end of the grapheme cluster at byte i (Unicode annex 29):
// what a user sees as one character. Only clusters below 6 bytes matter to a
// charsmap, so the rules that join longer ones (flags, emoji sequences, Indic
// conjuncts) are left out.
func clusterEnd(s string, i int) int {
	r, n := utf8.DecodeRuneInString(s[i:])
	before := joinOf(r)
	for i += n; i < len(s); i += n {
		r, n = utf8.DecodeRuneInString(s[i:])
		after := joinOf(r)
		if !joined(before, after) {
			break
		}
		before = after
	}
	return i
}

// A join is how a character joins with its neighbours.
type join int

const (
	joinOther join = iota
	joinCR
	joinLF
	joinControl
	joinExtend // extends what comes before
	joinPrefix // belongs to what comes after
	joinL      // Hangul: leading, vowel and trailing, alone and as syllables
	joinV
	joinT
	joinLV
	joinLVT
)

func joined(a, b join) bool {
	switch {
	case a == joinCR:
		return b == joinLF
	case a == joinLF || a == joinControl || b == joinCR || b == joinLF || b == joinControl:
		return false
	case b == joinExtend || a == joinPrefix:
		return true
	case a == joinL:
		return b == joinL || b == joinV || b == joinLV || b == joinLVT
	case a == joinV || a == joinLV:
		return b == joinV || b == joinT
	case a == joinT || a == joinLVT:
		return b == joinT
	}
	return false
}

func joinOf(r rune) join {
	switch {
	case r == '\r':
		return joinCR
	case r == '\n':
		return joinLF
	case r < ' ' || 0x7F <= r && r < 0xA0 || r == 0xAD:
		return joinControl
	case r < 0x300:
		return joinOther
	case 0x1100 <= r && r < 0x1160 || 0xA960 <= r && r <= 0xA97C:
		return joinL
	case 0x1160 <= r && r < 0x11A8 || 0xD7B0 <= r && r <= 0xD7C6:
		return joinV
	case 0x11A8 <= r && r < 0x1200 || 0xD7CB <= r && r <= 0xD7FB:
		return joinT
	case 0xAC00 <= r && r <= 0xD7A3:
		if (r-0xAC00)%28 == 0 {
			return joinLV
		}
		return joinLVT
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Other_Grapheme_Extend, skinTones), r == 0x200D:
		return joinExtend
	case unicode.Is(unicode.Mc, r) && !unicode.Is(aloneMarks, r), r == 0x0E33, r == 0x0EB3:
		return joinExtend
	case unicode.In(r, unicode.Prepended_Concatenation_Mark, clusterPrefixes):
		return joinPrefix
	case unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp):
		return joinControl
	}
	return joinOther
}

func ranges16(pairs ...uint16) *unicode.RangeTable {
	t := &unicode.RangeTable{}
	for i := 0; i < len(pairs); i += 2 {
		t.R16 = append(t.R16, unicode.Range16{Lo: pairs[i], Hi: pairs[i+1], Stride: 1})
	}
	return t
}

// Annex 29, table 2: spacing marks that do not join, prefixes of Indic
// clusters, and the skin tones of emoji, which extend.
var (
	aloneMarks = func() *unicode.RangeTable {
		t := ranges16(0x102B, 0x102C, 0x1038, 0x1038, 0x1062, 0x1064, 0x1067, 0x106D, 0x1083, 0x1083,
			0x1087, 0x108C, 0x108F, 0x108F, 0x109A, 0x109C, 0x1A61, 0x1A61, 0x1A63, 0x1A64, 0xAA7B, 0xAA7B, 0xAA7D, 0xAA7D)
		t.R32 = []unicode.Range32{{Lo: 0x11720, Hi: 0x11721, Stride: 1}}
		return t
	}()
	clusterPrefixes = &unicode.RangeTable{
		R16: []unicode.Range16{{Lo: 0x0D4E, Hi: 0x0D4E, Stride: 1}},
		R32: []unicode.Range32{{Lo: 0x111C2, Hi: 0x111C3, Stride: 1}, {Lo: 0x1193F, Hi: 0x1193F, Stride: 1}, {Lo: 0x11941, Hi: 0x11941, Stride: 1},
			{Lo: 0x11A3A, Hi: 0x11A3A, Stride: 1}, {Lo: 0x11A84, Hi: 0x11A89, Stride: 1}, {Lo: 0x11D46, Hi: 0x11D46, Stride: 1}, {Lo: 0x11F02, Hi: 0x11F02, Stride: 1}},
	}
	skinTones = &unicode.RangeTable{R32: []unicode.Range32{{Lo: 0x1F3FB, Hi: 0x1F3FF, Stride: 1}}}
)
