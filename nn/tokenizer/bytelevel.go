package tokenizer

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// GPT-2's byte alphabet writes every byte as one printable character: itself
// where that is printable, otherwise one from U+0100 on in order (the space
// becomes Ġ). A vocabulary of byte-level BPE is written in it.
var (
	byteChar [256]rune
	charByte = map[rune]byte{}
)

func init() {
	spare := rune(0x100)
	for b := range rune(256) {
		c := b
		if !('!' <= b && b <= '~' || 0xA1 <= b && b <= 0xAC || b >= 0xAE) {
			c = spare
			spare++
		}
		byteChar[b] = c
		charByte[c] = byte(b)
	}
}

// rawBytes turns text in the byte alphabet to the bytes it stands for; false
// if a character is none of that alphabet.
func rawBytes(text string) (string, bool) {
	b := make([]byte, 0, len(text))
	for _, r := range text {
		c, ok := charByte[r]
		if !ok {
			return "", false
		}
		b = append(b, c)
	}
	return string(b), true
}

// spell writes text[i:j] in the byte alphabet.
func (w *writer) spell(i, j int) {
	for at, r := range w.p.text[i:j] {
		for k := range utf8.RuneLen(r) {
			w.rune(byteChar[w.p.text[i+at+k]], i+at)
		}
	}
}

// gpt2Words is the pattern by which GPT-2 cuts a text to words.
var gpt2Words = sync.OnceValue(func() *automaton {
	a, err := compile(`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`)
	if err != nil {
		panic(err)
	}
	return a
})

// byteLevel cuts a text by GPT-2's pattern and spells it in the byte alphabet,
// unless the model itself works on bytes.
type byteLevel struct {
	prefixSpace bool // before each piece that begins with none
	words       *splitter
	spell       bool
}

func (b *byteLevel) pretokenize(p *passage) {
	if b.prefixSpace && p.some(func(s string) bool { return s != "" && s[0] != ' ' }) {
		p.rewrite(func(w *writer, i, j int) {
			if i < j && p.text[i] != ' ' {
				w.string(" ", i)
			}
			w.keep(i, j)
		})
	}
	if b.words != nil {
		b.words.pretokenize(p)
	}
	if b.spell {
		p.rewrite((*writer).spell)
	}
}

// metaspace writes spaces as a visible character, puts one before the text,
// and cuts before each.
type metaspace struct {
	mark   string
	prefix prefix
	split  *splitter // nil: does not cut
}

// A prefix says which pieces a metaspace begins with its mark.
type prefix int

const (
	never prefix = iota
	first        // that at the start of the text
	always
)

var prefixes = map[string]prefix{"never": never, "first": first, "always": always}

func (m *metaspace) pretokenize(p *passage) {
	spaced := func(text string) bool { return text != "" && (m.prefix != never || strings.Contains(text, " ")) }
	if p.some(spaced) {
		p.rewrite(func(w *writer, i, j int) {
			text := p.text[i:j]
			if m.prefix == always || m.prefix == first && p.source(i) == 0 {
				if !strings.HasPrefix(text, m.mark) && !strings.HasPrefix(text, " ") {
					w.string(m.mark, i)
				}
			}
			for {
				at := strings.IndexByte(p.text[i:j], ' ')
				if at < 0 {
					break
				}
				w.keep(i, i+at)
				w.string(m.mark, i+at)
				i += at + 1
			}
			w.keep(i, j)
		})
	}
	if m.split != nil {
		m.split.pretokenize(p)
	}
}
