package tokenizer

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A charsmap is SentencePiece's compiled table of replacements. Its binary
// form is the size of a trie in bytes, the trie as 32-bit units of a Darts
// double array, and the replacements, each ended by a zero byte, that the
// trie's leaves point to.
type charsmap struct {
	units []uint32
	texts string
	most  int
	plain [utf8.RuneSelf]bool // ASCII characters without a replacement
}

func newCharsmap(blob []byte) (*charsmap, error) {
	if len(blob) < 4 {
		return nil, fmt.Errorf("charsmap has %d bytes, not even the size of its trie", len(blob))
	}
	size := int(binary.LittleEndian.Uint32(blob))
	if blob = blob[4:]; size/4 > len(blob)/4 {
		return nil, fmt.Errorf("charsmap's trie has %d bytes, and %d bytes follow", size, len(blob))
	}
	m := &charsmap{units: make([]uint32, size/4)}
	for i := range m.units {
		m.units[i] = binary.LittleEndian.Uint32(blob[4*i:])
	}
	m.texts = string(blob[len(m.units)*4:])
	if !utf8.ValidString(m.texts) {
		return nil, fmt.Errorf("charsmap's replacements are not UTF-8")
	}
	for text := range strings.SplitSeq(m.texts, "\x00") {
		m.most = max(m.most, len(text))
	}
	for c := range m.plain {
		_, found := m.lookup(string(rune(c)))
		m.plain[c] = !found
	}
	return m, nil
}

// lookup finds the replacement of the shortest prefix of s that has one.
func (m *charsmap) lookup(s string) (string, bool) {
	if len(m.units) == 0 {
		return "", false
	}
	at := offset(m.units[0])
	for i := range len(s) {
		c := uint32(s[i])
		at ^= c
		if c == 0 || int(at) >= len(m.units) {
			return "", false
		}
		unit := m.units[at]
		if unit&(1<<31|0xFF) != c {
			return "", false
		}
		at ^= offset(unit)
		if unit>>8&1 == 0 {
			continue
		}
		if int(at) >= len(m.units) {
			return "", false
		}
		text := int(m.units[at] & (1<<31 - 1))
		if text > len(m.texts) || text < len(m.texts) && !utf8.RuneStart(m.texts[text]) {
			return "", false
		}
		replacement, _, _ := strings.Cut(m.texts[text:], "\x00")
		return replacement, true
	}
	return "", false
}

// offset is the distance from a unit to its children.
func offset(unit uint32) uint32 { return unit >> 10 << (unit & (1 << 9) >> 6) }

func (m *charsmap) idle(text string) bool {
	for i := range len(text) {
		if c := text[i]; c >= utf8.RuneSelf || !m.plain[c] {
			return false
		}
	}
	return true
}

func (m *charsmap) growth() int { return max(1, m.most) }

// rewrite replaces what a user sees as one character as a whole if it is
// shorter than 6 bytes, and otherwise character by character: so the reference
// does, and so the vocabularies were made.
func (m *charsmap) rewrite(w *writer, i, j int) {
	text := w.p.text[:j]
	kept := i
	swap := func(at, end int) bool {
		replacement, found := m.lookup(text[at:end])
		if found {
			w.keep(kept, at)
			w.align(replacement, at, end)
			kept = end
		}
		return found
	}
	for i < j {
		if m.plain[text[i]&0x7F] && text[i] < utf8.RuneSelf && (i+1 == j || text[i+1] < utf8.RuneSelf) && text[i] != '\r' {
			i++
			continue
		}
		end := clusterEnd(text, i)
		if end-i >= 6 || !swap(i, end) {
			for at, r := range text[i:end] {
				swap(i+at, i+at+utf8.RuneLen(r))
			}
		}
		i = end
	}
	w.keep(kept, j)
}

// align writes s for text[i:j], character by character; what s has more of
// stands for the last.
func (w *writer) align(s string, i, j int) {
	for _, r := range s {
		w.rune(r, i)
		if _, n := utf8.DecodeRuneInString(w.p.text[i:j]); i+n < j {
			i += n
		}
	}
}
