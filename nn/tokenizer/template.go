package tokenizer

import "strconv"

// A postprocessor frames the encoded sequences: it puts special tokens around
// them and says of which sequence each token is. BERT's and RoBERTa's own are
// templates too.
type postprocessor struct {
	trims  []trim
	single template
	pair   template
}

// A template is what comes one after the other.
type template []part

// A part is a sequence (0 or 1), or special tokens.
type part struct {
	sequence int // -1: special tokens
	ids      []int
	tokens   []string
	kind     int // the type id
}

// maxAdded bounds the special tokens that a template adds.
const maxAdded = 4096

// plain is the template of n sequences without special tokens.
func plain(n int) template {
	t := template{{sequence: 0, kind: 0}, {sequence: 1, kind: 1}}
	return t[:n]
}

// added counts the special tokens.
func (t template) added() int {
	n := 0
	for _, p := range t {
		n += len(p.ids)
	}
	return n
}

// readPostprocessor reads a post_processor.
func readPostprocessor(f field) *postprocessor {
	p := &postprocessor{}
	for _, step := range f.steps("processors") {
		p.read(step)
	}
	if p.single == nil {
		p.single, p.pair = plain(1), plain(2)
	}
	if p.single.added() > maxAdded || p.pair.added() > maxAdded {
		f.fail("adds more than %d tokens", maxAdded)
	}
	return p
}

func (p *postprocessor) read(o object) {
	kind := o.need("type").str()
	frames := kind == "TemplateProcessing" || kind == "BertProcessing" || kind == "RobertaProcessing"
	if frames && p.single != nil {
		o.fail("is a second template, %s: one is supported", kind)
		return
	}
	switch kind {
	case "ByteLevel":
		prefix := o.need("add_prefix_space").boolean()
		if o.need("trim_offsets").boolean() {
			p.trims = append(p.trims, trim{prefix})
		}
	case "BertProcessing":
		cls, sep := readSpecial(o.need("cls")), readSpecial(o.need("sep"))
		last := sep
		last.kind = 1
		p.single = template{cls, {sequence: 0}, sep}
		p.pair = template{cls, {sequence: 0}, sep, {sequence: 1, kind: 1}, last}
	case "RobertaProcessing":
		cls, sep := readSpecial(o.need("cls")), readSpecial(o.need("sep"))
		p.single = template{cls, {sequence: 0}, sep}
		p.pair = template{cls, {sequence: 0}, sep, sep, {sequence: 1}, sep}
		prefix := o.need("add_prefix_space").boolean()
		if o.need("trim_offsets").boolean() {
			p.trims = append(p.trims, trim{prefix})
		}
	case "TemplateProcessing":
		special := map[string]part{}
		tokens := o.need("special_tokens").object()
		for _, name := range tokens.names {
			special[name] = readSpecialTokens(tokens.at(name).object())
		}
		p.single = readTemplate(o.need("single"), special, 1)
		p.pair = readTemplate(o.need("pair"), special, 2)
	default:
		o.at("type").fail("%q is not a post-processor that is supported", brief(kind))
	}
}

// readSpecial reads ["[SEP]", 102].
func readSpecial(f field) part {
	pair := f.elements()
	if len(pair) != 2 {
		f.fail("want [token, id], got %d values", len(pair))
		return part{}
	}
	return part{sequence: -1, tokens: []string{pair[0].str()}, ids: []int{pair[1].integer(maxID)}}
}

// readSpecialTokens reads {"ids": […], "tokens": […]}.
func readSpecialTokens(o object) part {
	p := part{sequence: -1}
	for _, id := range o.need("ids").elements() {
		p.ids = append(p.ids, id.integer(maxID))
	}
	for _, text := range o.need("tokens").elements() {
		p.tokens = append(p.tokens, text.str())
	}
	if len(p.ids) != len(p.tokens) {
		o.fail("has %d ids and %d tokens", len(p.ids), len(p.tokens))
	}
	return p
}

// readTemplate reads [{"Sequence": {…}}, {"SpecialToken": {…}}, …], in which
// the given number of sequences may occur.
func readTemplate(f field, special map[string]part, sequences int) template {
	t := template{}
	counts := map[string]int{}
	for _, entry := range f.elements() {
		o := entry.object()
		inner, sequence := o.at("Sequence"), true
		if inner.raw == nil {
			inner, sequence = o.at("SpecialToken"), false
		}
		if inner.raw == nil {
			entry.fail("want Sequence or SpecialToken")
			return t
		}
		piece := inner.object()
		name, kind := piece.need("id").str(), piece.need("type_id").integer(maxID)
		part, known := special[name]
		if sequence {
			part.ids, part.tokens, known = nil, nil, name == "A" || name == "B" && sequences == 2
			part.sequence = 0
			if name == "B" {
				part.sequence = 1
			}
			counts[name]++
		}
		if !known || counts[name] > 1 {
			piece.at("id").fail("%s is not known here, or comes twice", brief(strconv.Quote(name)))
			return t
		}
		part.kind = kind
		t = append(t, part)
		if t.added() > maxAdded {
			break
		}
	}
	return t
}
