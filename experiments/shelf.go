package experiments

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/experiments/data"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/image"
)

// A shelf fills batches with examples of one task.
type shelf struct {
	task   string
	words  *vocabulary      // nil for images
	width  int              // tokens that texts are padded to, those of the longest; 0: as many as there may be
	pixels *image.Processor // nil for texts
	values int              // labels of a row that are numbers; 0: they are classes
	shift  func(labels []int32, tokens int) []int32
	train  []example
	held   []example
}

// feed returns the feed of the shelf.
func (s *shelf) feed() feed {
	return feed{open: s.open, count: s.count, draw: s.draw, exams: []exam{{batches: s.batches, fill: s.exam}}}
}

// open returns a batch of nothing but padding.
func (s *shelf) open(rows, _ int) *batch {
	b := &batch{rows: rows, form: form{input: &nn.Context{Batch: rows}}}
	c := b.input
	labels := rows
	if s.pixels != nil {
		c.Pixels = ag.NewVariable(rows, s.pixels.Len(), nil)
	} else {
		c.Tokens = cmp.Or(s.width, s.words.most)
		c.IDs = make([]int32, rows*c.Tokens)
		c.First, c.End = make([]int, rows), make([]int, rows)
		if s.words.types {
			c.Types = make([]int32, len(c.IDs))
		}
		if !classifies(s.task) {
			labels = len(c.IDs)
		}
	}
	if s.task == Seq2Seq {
		c.Decoder = &nn.Context{Batch: rows, Tokens: c.Tokens, IDs: make([]int32, len(c.IDs)), First: make([]int, rows), End: make([]int, rows)}
	}
	if s.values > 0 {
		b.labels.Values = make([]float32, rows*s.values)
	} else {
		b.labels.Classes = make([]int32, labels)
	}
	for row := range rows {
		s.blank(b, row)
	}
	return b
}

// blank fills a row with padding that nothing counts.
func (s *shelf) blank(b *batch, row int) {
	_ = s.put(b, row, &example{}, nil) // there is no image to read
}

// put fills a row with an example. The random numbers are of the row's place
// alone.
func (s *shelf) put(b *batch, row int, e *example, rng *rand.Rand) error {
	c := b.input
	if s.pixels != nil {
		if e.image != "" {
			img, err := data.ReadImage(e.image)
			if err != nil {
				return err
			}
			n := s.pixels.Len()
			if _, err := s.pixels.Append(c.Pixels.Floats()[row*n:row*n:(row+1)*n], img); err != nil {
				return fmt.Errorf("%s: %w", e.image, err)
			}
		}
	} else {
		n := fill(c.IDs, row, c.Tokens, e.ids, s.words.pad)
		c.End[row] = max(n, 1)
		if c.Types != nil {
			fill(c.Types, row, c.Tokens, e.types, 0)
		}
	}
	switch {
	case s.values > 0:
		clear(b.labels.Values[row*s.values:][:s.values])
		copy(b.labels.Values[row*s.values:], e.values)
	case classifies(s.task):
		fill(b.labels.Classes, row, 1, e.labels, nn.Ignored)
	default:
		fill(b.labels.Classes, row, len(b.labels.Classes)/b.rows, e.labels, nn.Ignored)
	}
	switch s.task {
	case MaskedLM:
		at := row * c.Tokens
		s.hide(e, rng, c.IDs[at:], b.labels.Classes[at:])
	case Seq2Seq:
		n := c.Decoder.Tokens
		c.Decoder.End[row] = max(len(e.labels), 1)
		copy(c.Decoder.IDs[row*n:][:n], s.shift(b.labels.Classes[row*n:][:n], n))
	}
	return nil
}

// fill writes x into row of rows of n, and otherwise behind it. It returns the
// length of x.
func fill[T any](dst []T, row, n int, x []T, otherwise T) int {
	dst = dst[row*n:][:n]
	k := copy(dst, x)
	for i := k; i < n; i++ {
		dst[i] = otherwise
	}
	return k
}

// A drawn example is one with the random numbers of its place alone; the zero value is
// a row that is blank.
type drawn struct {
	*example
	rng *rand.Rand
}

// write gives a batch the width of the longest of the examples that are to be its rows,
// and writes them there.
func (s *shelf) write(b *batch, rows []drawn) error {
	tokens, labels := 1, 1
	for _, d := range rows {
		if d.example != nil {
			tokens, labels = max(tokens, len(d.ids)), max(labels, len(d.labels))
		}
	}
	if b.input.Decoder == nil && !classifies(s.task) {
		tokens = max(tokens, labels)
	}
	if s.pixels == nil {
		b.fit(tokens, labels)
	}
	for row, d := range rows {
		if d.example == nil {
			s.blank(b, row)
		} else if err := s.put(b, row, d.example, d.rng); err != nil {
			return err
		}
	}
	return nil
}

// at returns the example at a place of a stream.
func (s *shelf) at(b *batch, seed uint64, stream string, place int) drawn {
	return drawn{&s.train[b.order.at(s.train, seed, stream, place)], s.random(seed, stream, place)}
}

func (s *shelf) count(b *batch, seed uint64, stream string, index int) int {
	n := 0
	for row := range b.rows {
		d := s.at(b, seed, stream, index*b.rows+row)
		switch {
		case s.values > 0:
			n += s.values
		case s.task == MaskedLM:
			n += s.hide(d.example, d.rng, nil, nil)
		default:
			for _, label := range d.labels {
				if label >= 0 {
					n++
				}
			}
		}
	}
	return n
}

func (s *shelf) draw(b *batch, seed uint64, stream string, index int) error {
	rows := make([]drawn, b.rows)
	for row := range rows {
		rows[row] = s.at(b, seed, stream, index*b.rows+row)
	}
	return s.write(b, rows)
}

// batches is how many the held-out examples make; most, unless it is 0, of
// them at most.
func (s *shelf) batches(rows, most int) int {
	n := (len(s.held) + rows - 1) / rows
	if most > 0 {
		n = min(n, most)
	}
	return n
}

// exam fills a batch of so many with held-out examples that are spread evenly
// over all of them. In the last one rows may be left over, which are blank.
func (s *shelf) exam(b *batch, index, batches int) (rows int, err error) {
	n := len(s.held)
	used := min(batches*b.rows, n)
	list := make([]drawn, b.rows)
	for row := range list {
		if place := index*b.rows + row; place < used {
			i := place * n / used
			list[row] = drawn{&s.held[i], s.random(0, "eval", i)}
			rows++
		}
	}
	return rows, s.write(b, list)
}

// check refuses an example that the model does not take.
func (s *shelf) check(model nn.Model, x *examples) error {
	b := s.open(1, 0)
	if s.task == MaskedLM && s.words.mask < 0 {
		return fmt.Errorf("the tokenizer has no mask_token, in tokenizer_config.json or special_tokens_map.json")
	}
	for i := range x.list {
		e := &x.list[i]
		if s.pixels == nil {
			if err := s.put(b, 0, e, s.random(0, "check", i)); err != nil {
				return err
			}
		}
		err := model.Check(b.input)
		if err != nil && e.line > 0 {
			return fmt.Errorf("%s:%d: %w", x.path, e.line, err)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", x.path, err)
		}
		if s.pixels != nil {
			return nil // all are of one shape
		}
		if d := b.input.Decoder; d != nil && !slices.ContainsFunc(b.labels.Classes, func(l int32) bool { return l >= 0 }) {
			return fmt.Errorf("%s:%d: has an empty target", x.path, e.line)
		}
	}
	return nil
}
