package tokenizer

import (
	"slices"
	"unicode/utf8"
)

// A passage is a text on its way to the model: what normalisation has made of
// it so far, where each byte of that came from, and the pieces it is cut into.
type passage struct {
	original string
	text     string
	from     []int // from[i] is the start of the original character that byte i of text stands for; nil: text is the original
	pieces   []piece

	spareFrom   []int // buffers of the step before, reused by the next
	sparePieces []piece
	buffer      []byte
}

// A piece is the stretch text[start:end]. One that is an added token is closed:
// no later step normalises or cuts it.
type piece struct{ start, end, token int }

const open = -1 // the token of a piece that is none

// begin makes s one open piece. Bytes that are not UTF-8 are read as U+FFFD.
func (p *passage) begin(s string) {
	p.original, p.text = s, s
	if p.from != nil {
		p.spareFrom = p.from
	}
	p.from, p.pieces = nil, append(p.pieces[:0], piece{0, len(s), open})
	if utf8.ValidString(s) {
		return
	}
	w := p.write()
	for i, r := range s { // r is U+FFFD where the byte is not UTF-8
		w.buf = utf8.AppendRune(w.buf, r)
		for len(w.from) < len(w.buf) {
			w.from = append(w.from, i)
		}
	}
	w.close(append(p.sparePieces[:0], piece{0, len(w.buf), open}))
}

// source is the original character that the byte at i stands for.
func (p *passage) source(i int) int {
	if p.from != nil {
		return p.from[i]
	}
	for i > 0 && !utf8.RuneStart(p.text[i]) {
		i--
	}
	return i
}

// span is the stretch of the original that text[i:j] stands for, in whole
// characters.
func (p *passage) span(i, j int) [2]int {
	j = min(j, len(p.text))
	if i >= j {
		if i >= len(p.text) {
			return [2]int{len(p.original), len(p.original)}
		}
		return [2]int{p.source(i), p.source(i)}
	}
	last := p.source(j - 1)
	_, n := utf8.DecodeRuneInString(p.original[last:])
	return [2]int{p.source(i), last + n}
}

// A writer builds the next text of a passage from the present one.
type writer struct {
	p    *passage
	buf  []byte
	from []int
}

func (p *passage) write() *writer {
	return &writer{p, p.buffer[:0], slices.Grow(p.spareFrom[:0], len(p.text)+len(p.text)/8)}
}

// keep copies text[i:j].
func (w *writer) keep(i, j int) {
	w.buf = append(w.buf, w.p.text[i:j]...)
	if w.p.from != nil {
		w.from = append(w.from, w.p.from[i:j]...)
		return
	}
	for ; i < j; i++ {
		if utf8.RuneStart(w.p.text[i]) {
			w.from = append(w.from, i)
		} else {
			w.from = append(w.from, w.from[len(w.from)-1])
		}
	}
}

// rune adds r in the place of the character at byte i of the text.
func (w *writer) rune(r rune, i int) {
	n := len(w.buf)
	w.buf = utf8.AppendRune(w.buf, r)
	w.fill(len(w.buf)-n, i)
}

// string adds s in the place of the character at byte i of the text.
func (w *writer) string(s string, i int) {
	w.buf = append(w.buf, s...)
	w.fill(len(s), i)
}

func (w *writer) fill(n, i int) {
	at := w.p.source(i)
	for range n {
		w.from = append(w.from, at)
	}
}

// close makes what was written the text of the passage.
func (w *writer) close(pieces []piece) {
	p := w.p
	p.spareFrom, p.sparePieces = p.from, p.pieces
	p.text, p.from, p.pieces, p.buffer = string(w.buf), w.from, pieces, w.buf
}

// rewrite runs step over every open piece, and drops those that become empty.
func (p *passage) rewrite(step func(w *writer, i, j int)) {
	w := p.write()
	pieces := p.sparePieces[:0]
	for _, q := range p.pieces {
		start := len(w.buf)
		if q.token == open {
			step(w, q.start, q.end)
		} else {
			w.keep(q.start, q.end)
		}
		if len(w.buf) > start || q.token != open {
			pieces = append(pieces, piece{start, len(w.buf), q.token})
		}
	}
	w.close(pieces)
}

// cut replaces every open piece by what cutter makes of it, and drops empty
// ones.
func (p *passage) cut(cutter func(pieces []piece, i, j int) []piece) {
	pieces := p.sparePieces[:0]
	for _, q := range p.pieces {
		if q.token != open {
			pieces = append(pieces, q)
		} else if q.start < q.end {
			pieces = cutter(pieces, q.start, q.end)
		}
	}
	p.sparePieces, p.pieces = p.pieces, pieces
}

// some reports whether test holds for the text of any open piece.
func (p *passage) some(test func(s string) bool) bool {
	for _, q := range p.pieces {
		if q.token == open && test(p.text[q.start:q.end]) {
			return true
		}
	}
	return false
}
