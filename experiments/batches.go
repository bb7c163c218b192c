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
