package experiments

import (
	"github.com/lowrank/lowrank/experiments/data"
	"github.com/lowrank/lowrank/nn"
)

// A batch is what a graph reads anew in every pass: rows of inputs, and what the
// loss compares the outputs with.
type batch struct {
	rows int
	form
	order order // of the examples that fill it

	widest form
	forms  map[[2]int]form
}

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

// tokens counts those that are no padding.
func (b *batch) tokens() (n int) {
	c := b.input
	for row := range b.rows {
		from, to := 0, c.Tokens
		if c.First != nil {
			from = c.First[row]
		}
		if c.End != nil {
			to = c.End[row]
		}
		n += to - from
	}
	return n
}

// A feed is where batches come from. Batch index of a stream can be drawn
// again: it follows from the seed, the stream and the index alone.
type feed struct {
	open  func(rows, tokens int) *batch
	count func(b *batch, seed uint64, stream string, index int) int // its labels that count
	draw  func(b *batch, seed uint64, stream string, index int) error
	exams []exam
}

// An exam is held-out data that a model is measured on, the same for every
// seed and method.
type exam struct {
	name    string // of a text of the study; "": these are the examples' own, with more measures than the loss
	batches func(rows, most int) int
	fill    func(b *batch, index, batches int) (rows int, err error) // how many of its rows are there
}

// measures are the metrics that a training step records of an exam.
func (e exam) measures(s *score) []measure {
	if e.name != "" {
		return []measure{{e.name + "_loss", s.mean()}}
	}
	return s.measures()
}

// results are what the record of a run keeps of an exam: the loss on what the
// model is adapted to under one name, whatever the task.
func (e exam) results(s *score) []measure {
	if e.name != "" {
		return []measure{{e.name, s.mean()}}
	}
	return append([]measure{{"adapt", s.mean()}}, s.measures()[1:]...)
}

// byteBatch is a batch of bytes as tokens.
func byteBatch(rows, tokens int) *batch {
	b := data.NewBatch(rows, tokens)
	return &batch{rows: rows, form: form{&nn.Context{Batch: rows, Tokens: tokens, IDs: b.IDs}, nn.Labels{Classes: b.Targets}}}
}

// bytes is the batch as package data fills it.
func (b *batch) bytes() *data.Batch {
	return &data.Batch{Rows: b.rows, Tokens: b.input.Tokens, IDs: b.input.IDs, Targets: b.labels.Classes}
}

// byteExam measures on windows spread evenly over a text.
func byteExam(name string, text []byte) exam {
	return exam{
		name:    name,
		batches: func(_, most int) int { return most },
		fill: func(b *batch, index, batches int) (int, error) {
			b.bytes().Spread(text, index, batches*b.rows)
			return b.rows, nil
		},
	}
}

// byteFeed draws windows of bytes at random places of a text.
func byteFeed(text []byte, exams ...exam) feed {
	return feed{
		open:  byteBatch,
		count: func(b *batch, _ uint64, _ string, _ int) int { return len(b.labels.Classes) },
		draw: func(b *batch, seed uint64, stream string, index int) error {
			b.bytes().Draw(text, seed, stream, index)
			return nil
		},
		exams: exams,
	}
}
