package tokenizer

import "slices"

// A truncation shortens what would exceed a number of tokens, of a pair the
// longer text first.
type truncation struct {
	length int // with the special tokens
	left   bool
}

const maxLength = 1 << 24 // tokens, of truncation and padding

// readTruncation reads truncation; nil if there is none.
func readTruncation(f field, post *postprocessor) *truncation {
	if f.null() {
		return nil
	}
	o := f.object()
	t := &truncation{length: o.need("max_length").integer(1 << 62)}
	if s := o.need("strategy").str(); s != "LongestFirst" && s != "OnlyFirst" && s != "OnlySecond" {
		o.at("strategy").fail("%q is not a strategy", brief(s))
	} else if s != "LongestFirst" {
		o.at("strategy").fail("%s is not supported: LongestFirst is", s)
	}
	t.left = direction(o)
	least := max(post.single.added(), post.pair.added())
	if t.length < least {
		o.at("max_length").fail("is %d, and the post-processor alone adds %d tokens", t.length, least)
	}
	if stride := o.need("stride").integer(1 << 62); stride > 0 && stride >= t.length-least {
		o.at("stride").fail("is %d, and max_length leaves %d tokens for the text", stride, t.length-least)
	}
	return t
}

// direction reads Left or Right, the default.
func direction(o object) (left bool) {
	d := o.at("direction").strOr("Right")
	if d != "Left" && d != "Right" {
		o.at("direction").fail("%q is neither Left nor Right", brief(d))
	}
	return d == "Left"
}

// apply shortens the sequences to n tokens in all.
func (t *truncation) apply(sequences []Encoding, n int) {
	lengths := []int{sequences[0].Len()}
	if len(sequences) == 1 {
		lengths[0] = min(lengths[0], n)
	} else if short, long := lengths[0], sequences[1].Len(); short+long > n {
		swap := short > long
		if swap {
			short, long = long, short
		}
		if short > n {
			long = short
		} else {
			long = max(short, n-short)
		}
		if short+long > n {
			short, long = n/2, n/2+n%2
		}
		if lengths = []int{short, long}; swap {
			slices.Reverse(lengths)
		}
	} else {
		return
	}
	for i := range sequences {
		s, keep := &sequences[i], min(lengths[i], sequences[i].Len())
		if t.left {
			s.slice(s.Len()-keep, s.Len())
		} else {
			s.slice(0, keep)
		}
	}
}

// A padding fills an encoding up.
type padding struct {
	length   int // at least so many tokens
	multiple int // and a multiple of this
	left     bool
	id, kind int
	token    string
}

// readPadding reads padding; nil if there is none.
func readPadding(f field) *padding {
	if f.null() {
		return nil
	}
	o := f.object()
	p := &padding{id: o.need("pad_id").integer(maxID), kind: o.need("pad_type_id").integer(maxID), token: o.need("pad_token").str(), multiple: 1}
	strategy := o.need("strategy")
	if strategy.kind() == "an object" {
		p.length = strategy.object().need("Fixed").integer(maxLength)
	} else if s := strategy.str(); s != "BatchLongest" {
		strategy.fail("%q is not a strategy", brief(s))
	}
	p.left = direction(o)
	if m := o.at("pad_to_multiple_of"); !m.null() {
		p.multiple = max(1, m.integer(maxLength))
	}
	return p
}

// apply pads one encoding; alone, it is the longest of its batch.
func (p *padding) apply(e *Encoding) {
	n := max(p.length, e.Len())
	n = (n + p.multiple - 1) / p.multiple * p.multiple
	missing := n - e.Len()
	at := e.Len()
	if p.left {
		at = 0
	}
	e.IDs = slices.Insert(e.IDs, at, slices.Repeat([]int{p.id}, missing)...)
	e.Tokens = slices.Insert(e.Tokens, at, slices.Repeat([]string{p.token}, missing)...)
	e.TypeIDs = slices.Insert(e.TypeIDs, at, slices.Repeat([]int{p.kind}, missing)...)
	e.Offsets = slices.Insert(e.Offsets, at, make([][2]int, missing)...)
	e.SpecialTokensMask = slices.Insert(e.SpecialTokensMask, at, slices.Repeat([]int{1}, missing)...)
	e.AttentionMask = slices.Insert(e.AttentionMask, at, make([]int, missing)...)
}
