package tokenizer

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// A decoder turns a list of tokens a step closer to a text; the text is what
// the last step leaves, joined.
type decoder func(tokens []string) []string

// decoders reads a decoder, a sequence flattened; without any, tokens are
// joined by spaces.
func decoders(f field) []decoder {
	if f.null() {
		return []decoder{func(tokens []string) []string { return []string{strings.Join(tokens, " ")} }}
	}
	var list []decoder
	growth := 1
	for _, step := range f.steps("decoders") {
		list = append(list, readDecoders(step, &growth)...)
	}
	return list
}

// readDecoders reads one step, which may be several of ours.
func readDecoders(o object, growth *int) []decoder {
	kind := o.need("type").str()
	switch kind {
	case "ByteLevel":
		return []decoder{decodeBytes}
	case "ByteFallback":
		return []decoder{decodeFallback}
	case "Fuse":
		return []decoder{func(tokens []string) []string { return []string{strings.Join(tokens, "")} }}
	case "Metaspace":
		return []decoder{readMetaspace(o).decode}
	case "WordPiece":
		prefix, clean := o.need("prefix").str(), o.need("cleanup").boolean()
		return []decoder{func(tokens []string) []string { return decodeWordPiece(tokens, prefix, clean) }}
	case "BPEDecoder":
		suffix := o.need("suffix").str()
		return []decoder{func(tokens []string) []string { return decodeSuffix(tokens, suffix) }}
	case "Replace":
		r := readReplace(o)
		if *growth *= r.growth(); *growth > maxGrowth {
			o.fail("lets a text grow more than %d times", maxGrowth)
			*growth = 1
		}
		return []decoder{each(r.decode)}
	case "Strip":
		char, start, stop := o.need("content").char(), o.need("start").integer(1<<31), o.need("stop").integer(1<<31)
		return []decoder{each(func(token string) string { return stripChars(token, char, start, stop) })}
	}
	o.at("type").fail("%q is not a decoder that is supported", brief(kind))
	return nil
}

// each applies f to every token.
func each(f func(token string) string) decoder {
	return func(tokens []string) []string {
		for i, t := range tokens {
			tokens[i] = f(t)
		}
		return tokens
	}
}

func (r replace) decode(token string) string {
	if r.idle(token) {
		return token
	}
	var b strings.Builder
	r.find.each(token, func(start, end int, match bool) {
		if match {
			b.WriteString(r.content)
		} else {
			b.WriteString(token[start:end])
		}
	})
	return b.String()
}

// decodeBytes reads the byte alphabet. A token that is not in it stands for
// its own bytes.
func decodeBytes(tokens []string) []string {
	var b []byte
	for _, t := range tokens {
		begin := len(b)
		for _, r := range t {
			c, ok := charByte[r]
			if !ok {
				b = append(b[:begin], t...)
				break
			}
			b = append(b, c)
		}
	}
	return []string{lossy(b)}
}

// lossy is b as UTF-8, with U+FFFD for each longest beginning of a character
// that is broken off (Unicode 15, section 3.9).
func lossy(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r != utf8.RuneError || n > 1 {
			out.Write(b[:n])
		} else {
			out.WriteRune(utf8.RuneError)
			n = brokenOff(b)
		}
		b = b[n:]
	}
	return out.String()
}

// brokenOff is how many bytes of b, which begins with no valid character,
// could begin one.
func brokenOff(b []byte) int {
	need, low, high := 0, byte(0x80), byte(0xBF) // bytes to follow, and bounds of the first
	switch c := b[0]; {
	case 0xC2 <= c && c <= 0xDF:
		need = 1
	case 0xE0 <= c && c <= 0xEF:
		need = 2
		if c == 0xE0 {
			low = 0xA0
		} else if c == 0xED {
			high = 0x9F
		}
	case 0xF0 <= c && c <= 0xF4:
		need = 3
		if c == 0xF0 {
			low = 0x90
		} else if c == 0xF4 {
			high = 0x8F
		}
	}
	n := 1
	for n <= need && n < len(b) && low <= b[n] && b[n] <= high {
		n++
		low, high = 0x80, 0xBF
	}
	return n
}

// decodeFallback reads runs of tokens <0x00>…<0xFF> as bytes; of a run that is
// not UTF-8 each becomes U+FFFD.
func decodeFallback(tokens []string) []string {
	var out []string
	var run []byte
	flush := func() {
		if utf8.Valid(run) {
			if len(run) > 0 {
				out = append(out, string(run))
			}
		} else {
			for range run {
				out = append(out, "\ufffd")
			}
		}
		run = run[:0]
	}
	for _, t := range tokens {
		if len(t) == 6 && strings.HasPrefix(t, "<0x") && t[5] == '>' {
			if c, err := strconv.ParseUint(t[3:5], 16, 8); err == nil {
				run = append(run, byte(c))
				continue
			}
		}
		flush()
		out = append(out, t)
	}
	flush()
	return out
}

// decode writes spaces for the mark, and nothing for that of the prefix.
func (m *metaspace) decode(tokens []string) []string {
	for i, t := range tokens {
		space := " "
		if i == 0 && m.prefix != never {
			space = ""
		}
		tokens[i] = strings.ReplaceAll(t, m.mark, space)
	}
	return tokens
}

// decodeWordPiece joins continuations and puts a space before everything else.
func decodeWordPiece(tokens []string, prefix string, clean bool) []string {
	for i, t := range tokens {
		if i > 0 {
			if rest, continues := strings.CutPrefix(t, prefix); continues {
				t = rest
			} else {
				t = " " + t
			}
		}
		if clean {
			t = cleanUp(t)
		}
		tokens[i] = t
	}
	return tokens
}

// cleanUp takes out the spaces before punctuation and English short forms.
func cleanUp(text string) string {
	for _, change := range [][2]string{
		{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"},
		{" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
	} {
		text = strings.ReplaceAll(text, change[0], change[1])
	}
	return text
}

// decodeSuffix writes a space for the suffix of words, except at the end.
func decodeSuffix(tokens []string, suffix string) []string {
	if suffix == "" {
		return tokens
	}
	for i, t := range tokens {
		space := " "
		if i == len(tokens)-1 {
			space = ""
		}
		tokens[i] = strings.ReplaceAll(t, suffix, space)
	}
	return tokens
}

// stripChars takes up to start characters char from the front, and up to stop
// from the back.
func stripChars(token, char string, start, stop int) string {
	for ; start > 0 && strings.HasPrefix(token, char); start-- {
		token = token[len(char):]
	}
	for ; stop > 0 && strings.HasSuffix(token, char); stop-- {
		token = token[:len(token)-len(char)]
	}
	return token
}
