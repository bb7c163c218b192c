package tokenizer

import "unicode"

// A pretokenizer cuts the open pieces of a passage further.
type pretokenizer interface {
	pretokenize(p *passage)
}

var punctuation = tables(unicode.P).or(chars("$+<=>^`|~")) // ASCII's symbols count

// splitAt cuts at single characters of a set.
func splitAt(set charset, b behaviour) *splitter {
	a, err := (&node{op: opChar, set: set}).automaton()
	if err != nil {
		panic(err)
	}
	return &splitter{pattern: a, behaviour: b}
}

// pretokenizers reads a pre_tokenizer, a sequence flattened.
func pretokenizers(f field) (list []pretokenizer) {
	for _, step := range f.steps("pretokenizers") {
		list = append(list, readPretokenizers(step)...)
	}
	return list
}

// readPretokenizers reads one step, which may be several of ours.
func readPretokenizers(o object) []pretokenizer {
	kind := o.need("type").str()
	switch kind {
	case "ByteLevel":
		b := &byteLevel{prefixSpace: o.need("add_prefix_space").boolean(), spell: true}
		o.need("trim_offsets").boolean()
		if o.at("use_regex").boolOr(true) {
			b.words = &splitter{pattern: gpt2Words(), behaviour: isolated}
		}
		return []pretokenizer{b}
	case "Metaspace":
		return []pretokenizer{readMetaspace(o)}
	case "Split":
		s := readPattern(o.need("pattern"))
		s.behaviour = readBehaviour(o.need("behavior"))
		s.invert = o.need("invert").boolean()
		return []pretokenizer{s}
	case "BertPreTokenizer":
		return []pretokenizer{splitAt(whitespace, removed), splitAt(punctuation, isolated)}
	case "Whitespace":
		other := wordChars.or(whitespace).not()
		a, err := (&node{op: opEither, list: []*node{
			{op: opRepeat, min: 1, max: -1, list: []*node{{op: opChar, set: wordChars}}},
			{op: opRepeat, min: 1, max: -1, list: []*node{{op: opChar, set: other}}},
		}}).automaton()
		if err != nil {
			panic(err)
		}
		return []pretokenizer{&splitter{pattern: a, behaviour: removed, invert: true}}
	case "WhitespaceSplit":
		return []pretokenizer{splitAt(whitespace, removed)}
	case "Digits":
		if o.need("individual_digits").boolean() {
			return []pretokenizer{splitAt(tables(unicode.N), isolated)}
		}
		return []pretokenizer{splitAt(tables(unicode.N), contiguous)}
	case "Punctuation":
		b := isolated
		if given := o.at("behavior"); given.raw != nil {
			b = readBehaviour(given)
		}
		return []pretokenizer{splitAt(punctuation, b)}
	case "CharDelimiterSplit":
		return []pretokenizer{&splitter{literal: o.need("delimiter").char(), behaviour: removed}}
	}
	o.at("type").fail("%q is not a pre-tokenizer that is supported", brief(kind))
	return nil
}

func readBehaviour(f field) behaviour {
	name := f.str()
	b, ok := behaviours[name]
	if !ok {
		f.fail("%q is not a behaviour", brief(name))
	}
	return b
}

// readPattern reads {"String": …} or {"Regex": …}.
func readPattern(f field) *splitter {
	o := f.object()
	if s := o.at("String"); s.raw != nil {
		literal := s.str()
		if literal == "" {
			s.fail("is empty")
		}
		return &splitter{literal: literal}
	}
	if r := o.at("Regex"); r.raw != nil {
		a, err := compile(r.str())
		if err != nil {
			r.fail("%v", err)
		}
		return &splitter{pattern: a}
	}
	f.fail("want String or Regex")
	return &splitter{}
}

func readMetaspace(o object) *metaspace {
	m := &metaspace{mark: o.need("replacement").char(), prefix: always}
	if f := o.at("prepend_scheme"); f.raw != nil {
		scheme, ok := prefixes[f.str()]
		if !ok {
			f.fail("want never, first or always")
		}
		m.prefix = scheme
	}
	if f := o.at("add_prefix_space"); !f.null() && !f.boolean() {
		if o.at("prepend_scheme").raw != nil && m.prefix != never {
			f.fail("is false, but prepend_scheme is not never")
		}
		m.prefix = never
	}
	if o.at("split").boolOr(true) {
		m.split = &splitter{literal: m.mark, behaviour: mergedWithNext}
	}
	return m
}
