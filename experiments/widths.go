package experiments

import "github.com/lowrank/lowrank/nn"

// A form is a batch of one shape.
type form struct {
	input  *nn.Context
	labels nn.Labels
}

// fit gives the batch room for sequences of so many tokens, and of so many of a
// decoder, of what it was opened with. What it holds is lost.
func (b *batch) fit(tokens, decoded int) {
	if b.forms == nil {
		b.widest, b.forms = b.form, map[[2]int]form{b.form.widths(): b.form}
	}
	most := b.widest.widths()
	at := [2]int{roomFor(tokens, most[0]), roomFor(decoded, most[1])}
	f, ok := b.forms[at]
	if !ok {
		f = b.widest.of(b.rows, at[0], at[1])
		b.forms[at] = f
	}
	b.form = f
}

// widths are those of the tokens, and of a decoder's or 0.
func (f form) widths() [2]int {
	if d := f.input.Decoder; d != nil {
		return [2]int{f.input.Tokens, d.Tokens}
	}
	return [2]int{f.input.Tokens, 0}
}

// roomFor rounds a width up to one of eight that are as many as there are at most,
// each of which has a graph.
func roomFor(width, most int) int {
	step := max((most+7)/8, 1)
	return min((width+step-1)/step*step, most)
}

// of returns the form with fewer tokens, in the same memory.
func (f form) of(rows, tokens, decoded int) form {
	c := *f.input
	c.Tape, c.Losses, c.Hidden = nil, nil, nil
	c.Tokens, c.IDs = tokens, c.IDs[:rows*tokens]
	if c.Types != nil {
		c.Types = c.Types[:rows*tokens]
	}
	labels, width := f.labels, tokens
	if c.Decoder != nil {
		d := *c.Decoder
		d.Tape, d.Losses, d.Hidden = nil, nil, nil
		d.Tokens, d.IDs = decoded, d.IDs[:rows*decoded]
		c.Decoder, width = &d, decoded
	}
	if len(labels.Classes) > rows {
		labels.Classes = labels.Classes[:rows*width]
	}
	return form{&c, labels}
}
