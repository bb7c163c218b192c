package tokenizer

import (
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A normalizer rewrites the open pieces of a passage.
type normalizer interface {
	idle(text string) bool       // whether text surely stays as it is
	rewrite(w *writer, i, j int) // writes what becomes of text[i:j]
	growth() int                 // the most bytes that one byte becomes
}

// maxGrowth bounds how much a text may grow by all normalizers, or decoders, together.
const maxGrowth = 1 << 10

// normalize runs the normalizers over a passage.
func normalize(list []normalizer, p *passage) {
	for _, n := range list {
		if p.some(func(text string) bool { return !n.idle(text) }) {
			p.rewrite(n.rewrite)
		}
	}
}

// normalized is the text that the normalizers make of s.
func normalized(list []normalizer, s string) string {
	var p passage
	p.begin(s)
	normalize(list, &p)
	return p.text
}

// normalizers reads a normalizer, a sequence flattened.
func normalizers(f field) []normalizer {
	var list []normalizer
	for _, step := range f.steps("normalizers") {
		list = append(list, readNormalizers(step)...)
	}
	growth := 1
	for _, n := range list {
		if growth *= n.growth(); growth > maxGrowth {
			f.fail("lets a text grow more than %d times", maxGrowth)
			return nil
		}
	}
	return list
}

// readNormalizers reads one step, which may be several of ours.
func readNormalizers(o object) []normalizer {
	kind := o.need("type").str()
	switch kind {
	case "NFC":
		return []normalizer{form{norm.NFC, norm.NFD}}
	case "NFD":
		return []normalizer{form{norm.NFD, norm.NFD}}
	case "NFKC":
		return []normalizer{form{norm.NFKC, norm.NFKD}}
	case "NFKD":
		return []normalizer{form{norm.NFKD, norm.NFKD}}
	case "Lowercase":
		return []normalizer{lowercase}
	case "StripAccents":
		return []normalizer{without(tables(unicode.M))}
	case "Nmt":
		return []normalizer{without(nmtRemoved), nmtSpaces}
	case "ByteLevel":
		return []normalizer{byteSpelling}
	case "BertNormalizer":
		return bertNormalizers(o)
	case "Strip":
		return []normalizer{strip{o.need("strip_left").boolean(), o.need("strip_right").boolean()}}
	case "Prepend":
		return []normalizer{prepend(o.need("prepend").str())}
	case "Replace":
		return []normalizer{readReplace(o)}
	case "Precompiled":
		return readCharsmap(o.need("precompiled_charsmap"))
	}
	o.at("type").fail("%q is not a normalizer that is supported", brief(kind))
	return nil
}

func readCharsmap(f field) []normalizer {
	blob, err := base64.StdEncoding.DecodeString(f.str())
	if err != nil {
		f.fail("%v", err)
		return nil
	}
	m, err := newCharsmap(blob)
	if err != nil {
		f.fail("%v", err)
		return nil
	}
	return []normalizer{m}
}

// bertNormalizers are the steps of BERT's: control characters go and white
// space becomes a space, Chinese characters stand apart, accents go, capitals
// become small.
func bertNormalizers(o object) []normalizer {
	var list []normalizer
	if o.need("clean_text").boolean() {
		list = append(list, without(bertControl), bertSpaces)
	}
	if o.need("handle_chinese_chars").boolean() {
		list = append(list, chineseApart)
	}
	lower := o.need("lowercase").boolean()
	if o.at("strip_accents").boolOr(lower) {
		list = append(list, form{norm.NFD, norm.NFD}, without(tables(unicode.Mn)))
	}
	if lower {
		list = append(list, lowercase)
	}
	return list
}

// eachChar rewrites characters one by one.
type eachChar struct {
	same func(r rune) bool              // left as it is
	put  func(w *writer, r rune, i int) // writes what becomes of r, at byte i
	most int                            // bytes that one byte becomes
}

func (e eachChar) idle(text string) bool {
	for _, r := range text {
		if !e.same(r) {
			return false
		}
	}
	return true
}

func (e eachChar) rewrite(w *writer, i, j int) {
	kept := i
	for at := i; at < j; {
		r, n := utf8.DecodeRuneInString(w.p.text[at:j])
		if !e.same(r) {
			w.keep(kept, at)
			e.put(w, r, at)
			kept = at + n
		}
		at += n
	}
	w.keep(kept, j)
}

func (e eachChar) growth() int { return e.most }

// lowercase makes capitals small, by Unicode's full mapping: İ becomes two
// characters.
var lowercase = eachChar{
	same: func(r rune) bool {
		if r < utf8.RuneSelf {
			return r < 'A' || r > 'Z'
		}
		return unicode.ToLower(r) == r
	},
	put: func(w *writer, r rune, i int) {
		w.rune(unicode.ToLower(r), i)
		if r == 'İ' {
			w.rune('\u0307', i)
		}
	},
	most: 3,
}

var byteSpelling = eachChar{
	same: func(r rune) bool { return '!' <= r && r <= '~' },
	put:  func(w *writer, r rune, i int) { w.spell(i, i+utf8.RuneLen(r)) },
	most: 2,
}

var chineseApart = eachChar{
	same: func(r rune) bool { return r < 0x3400 || !unicode.Is(chinese, r) },
	put: func(w *writer, r rune, i int) {
		w.rune(' ', i)
		w.rune(r, i)
		w.rune(' ', i)
	},
	most: 2,
}

// chinese are the blocks that BERT's reference code names, as it names them.
var chinese = &unicode.RangeTable{
	R16: []unicode.Range16{{Lo: 0x3400, Hi: 0x4DBF, Stride: 1}, {Lo: 0x4E00, Hi: 0x9FFF, Stride: 1}, {Lo: 0xF900, Hi: 0xFAFF, Stride: 1}},
	R32: []unicode.Range32{{Lo: 0x20000, Hi: 0x2A6DF, Stride: 1}, {Lo: 0x2A700, Hi: 0x2B81F, Stride: 1}, {Lo: 0x2B920, Hi: 0x2CEAF, Stride: 1}, {Lo: 0x2F800, Hi: 0x2FA1F, Stride: 1}},
}

// without removes the characters of a set.
func without(set charset) normalizer {
	var ascii [utf8.RuneSelf]bool
	for r := range rune(utf8.RuneSelf) {
		ascii[r] = set.has(r)
	}
	return eachChar{
		same: func(r rune) bool {
			if r < utf8.RuneSelf {
				return !ascii[r]
			}
			return !set.has(r)
		},
		put:  func(*writer, rune, int) {},
		most: 1,
	}
}

// spaces writes a space for each character of a set.
func spaces(set charset) normalizer {
	e := without(set).(eachChar)
	e.put = func(w *writer, _ rune, i int) { w.rune(' ', i) }
	return e
}

var (
	bertControl = tables(unicode.Cc, unicode.Cf, unicode.Co).or(chars("\x00\ufffd")).and(chars("\t\n\r").not())
	bertSpaces  = spaces(whitespace.and(chars(" ").not()))

	nmtRemoved = charset{{0x01, 0x08}, {0x0B, 0x0B}, {0x0E, 0x1F}, {0x7F, 0x7F}, {0x8F, 0x8F}, {0x9F, 0x9F}}
	nmtSpaces  = spaces(charset{{0x09, 0x0A}, {0x0C, 0x0D}, {0x1680, 0x1680}, {0x200B, 0x200F}, {0x2028, 0x2029}, {0x2581, 0x2581}, {0xFEFF, 0xFEFF}, {0xFFFD, 0xFFFD}})
)

// strip removes white space at the ends.
type strip struct{ left, right bool }

func (s strip) idle(text string) bool {
	return !(s.left && strings.TrimLeftFunc(text, unicode.IsSpace) != text || s.right && strings.TrimRightFunc(text, unicode.IsSpace) != text)
}

func (s strip) rewrite(w *writer, i, j int) {
	text := w.p.text
	if s.left {
		i = j - len(strings.TrimLeftFunc(text[i:j], unicode.IsSpace))
	}
	if s.right {
		j = i + len(strings.TrimRightFunc(text[i:j], unicode.IsSpace))
	}
	w.keep(i, j)
}

func (strip) growth() int { return 1 }

// prepend puts a text before what is not empty.
type prepend string

func (p prepend) idle(text string) bool { return text == "" || p == "" }

func (p prepend) rewrite(w *writer, i, j int) {
	if i < j {
		w.string(string(p), i)
	}
	w.keep(i, j)
}

func (p prepend) growth() int { return 1 + len(p) }

// replace writes a text for each match of a pattern, in the place of the
// match's last character.
type replace struct {
	find    *splitter
	content string
}

func readReplace(o object) replace {
	return replace{readPattern(o.need("pattern")), o.need("content").str()}
}

func (r replace) idle(text string) bool {
	if r.find.pattern == nil {
		return !strings.Contains(text, r.find.literal)
	}
	find := search{a: r.find.pattern, text: text}
	start, _ := find.next(0)
	return start == len(text)
}

func (r replace) rewrite(w *writer, i, j int) {
	r.find.each(w.p.text[i:j], func(start, end int, match bool) {
		if !match {
			w.keep(i+start, i+end)
			return
		}
		_, n := utf8.DecodeLastRuneInString(w.p.text[i+start : i+end])
		w.string(r.content, i+end-n)
	})
}

func (r replace) growth() int {
	shortest := max(1, len(r.find.literal))
	return max(1, (len(r.content)+shortest-1)/shortest)
}
