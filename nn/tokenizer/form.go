package tokenizer

import (
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// form brings a text into one of Unicode's normalization forms. The package
// norm finds what is in that form already and knows every single character;
// the rest follows Unicode annex 15 here, because norm breaks up long runs of
// combining marks (the "stream-safe" format, which the form itself does not
// ask for) and cannot say which character came from where.
type form struct{ f, decompose norm.Form }

func (n form) idle(text string) bool { return n.f.IsNormalString(text) }

func (n form) growth() int { return 12 } // U+FDFA: 3 bytes become 33

func (n form) rewrite(w *writer, i, j int) {
	text := w.p.text[:j]
	for i < j {
		span := i + n.f.QuickSpanString(text[i:])
		for span > i && span < j && !n.boundary(text, span) {
			span--
		}
		w.keep(i, span)
		for i = span; span < j; { // the segment up to the next boundary
			_, size := utf8.DecodeRuneInString(text[span:])
			span += size
			if n.boundary(text, span) {
				break
			}
		}
		n.segment(w, i, span)
		i = span
	}
}

// boundary reports whether nothing before byte i affects what follows it.
func (n form) boundary(text string, i int) bool {
	return i == len(text) || utf8.RuneStart(text[i]) && n.f.PropertiesString(text[i:]).BoundaryBefore()
}

// A mark is a character of a segment: its canonical combining class, and the
// byte of the text that it came from.
type mark struct {
	r     rune
	class uint8
	from  int
}

// segment writes text[i:j], which is cut at boundaries, in the form.
func (n form) segment(w *writer, i, j int) {
	var marks []mark
	var buffer [utf8.UTFMax]byte
	for at, r := range w.p.text[i:j] {
		size := utf8.EncodeRune(buffer[:], r)
		for _, d := range string(n.decompose.Bytes(buffer[:size])) {
			marks = append(marks, mark{d, n.decompose.PropertiesString(string(d)).CCC(), i + at})
		}
	}
	order(marks)
	if n.f != n.decompose {
		marks = compose(marks)
	}
	for _, m := range marks {
		w.rune(m.r, m.from)
	}
}

// order sorts each run of combining marks by class, equal ones in place.
func order(marks []mark) {
	for start := 0; start < len(marks); start++ {
		end, sorted := start, true
		for end < len(marks) && marks[end].class != 0 {
			sorted = sorted && (end == start || marks[end-1].class <= marks[end].class)
			end++
		}
		if !sorted {
			var count [257]int
			for _, m := range marks[start:end] {
				count[int(m.class)+1]++
			}
			for c := range 256 {
				count[c+1] += count[c]
			}
			out := make([]mark, end-start)
			for _, m := range marks[start:end] {
				out[count[m.class]] = m
				count[m.class]++
			}
			copy(marks[start:end], out)
		}
		start = max(start, end)
	}
}

// compose joins each starter with the marks that it has a composite with and
// that no mark of the same or a higher class keeps from it.
func compose(marks []mark) []mark {
	out := marks[:0]
	starter, last := -1, -1 // last: the class of what stands between, -1 if nothing does
	for _, m := range marks {
		if starter >= 0 && last < int(m.class) {
			if r, ok := composite(out[starter].r, m.r); ok {
				out[starter].r = r
				continue
			}
		}
		if m.class == 0 {
			starter, last = len(out), -1
		} else {
			last = int(m.class)
		}
		out = append(out, m)
	}
	return out
}

// composite is the character that stands for a followed by b.
func composite(a, b rune) (rune, bool) {
	s := norm.NFC.String(string(a) + string(b))
	r, n := utf8.DecodeRuneInString(s)
	return r, n == len(s)
}
