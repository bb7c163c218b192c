package data

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// A Corpus is a text in two parts.
type Corpus struct {
	Name    string
	Train   []byte
	HeldOut []byte
}

// blocks is how many pieces Split cuts a text into: both parts then come from
// all over the text.
const blocks = 80

// Split cuts text into equal blocks and keeps the fraction heldOut of them, at
// least one and not all, evenly spread, aside. Each part must hold a window of
// tokens+1 bytes.
func Split(name string, text []byte, heldOut float64, tokens int) (*Corpus, error) {
	c := &Corpus{Name: name}
	aside := min(max(int(math.Round(heldOut*blocks)), 1), blocks-1)
	for i := range blocks {
		b := text[i*len(text)/blocks : (i+1)*len(text)/blocks]
		if (i+1)*aside/blocks > i*aside/blocks {
			c.HeldOut = append(c.HeldOut, b...)
		} else {
			c.Train = append(c.Train, b...)
		}
	}
	if need := tokens + 1; len(c.Train) < need || len(c.HeldOut) < need {
		fewer := min(aside, blocks-aside)
		return nil, fmt.Errorf("data: %s has %d bytes, %d of them held out: too short for windows of %d tokens; need at least %d",
			name, len(text), len(c.HeldOut), tokens, (need+fewer-1)/fewer*blocks)
	}
	return c, nil
}

// A Batch is rows of tokens and, for each, the token that follows it.
type Batch struct {
	Rows, Tokens int
	IDs          []int32 // Rows·Tokens
	Targets      []int32
}

// NewBatch returns a batch of zeros.
func NewBatch(rows, tokens int) *Batch {
	return &Batch{rows, tokens, make([]int32, rows*tokens), make([]int32, rows*tokens)}
}

// row fills row i from the window that starts at offset at.
func (b *Batch) row(i int, text []byte, at int) {
	for t := range b.Tokens {
		b.IDs[i*b.Tokens+t] = int32(text[at+t])
		b.Targets[i*b.Tokens+t] = int32(text[at+t+1])
	}
}

// Draw fills b with windows at random places of text. The places depend on
// seed, stream and index alone: batch index of a stream can be drawn again.
func (b *Batch) Draw(text []byte, seed uint64, stream string, index int) {
	rng := Stream(seed, fmt.Sprintf("%s/%d", stream, index))
	for i := range b.Rows {
		b.row(i, text, rng.IntN(len(text)-b.Tokens))
	}
}

// Spread fills b with the rows that stand at places index·Rows … of total
// windows spread evenly over text, for evaluation: every seed and method sees
// the same.
func (b *Batch) Spread(text []byte, index, total int) {
	span := len(text) - b.Tokens - 1
	for i := range b.Rows {
		k := index*b.Rows + i
		b.row(i, text, k*span/max(1, total-1))
	}
}

// Stream returns the random stream of that name under a root seed: equal
// names give equal streams, and one stream never disturbs another.
func Stream(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}
