package verify

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/generate"
)

// greedy compares the tokens that a model writes behind the first row of the
// inputs with those recorded under a key, where there are any. As transformers
// returns them they begin with the row, padding included, or with the token
// that a decoder starts from.
func (ref *reference) greedy(r *rows, m nn.Model, key string, recorded map[string]json.RawMessage) error {
	raw, ok := recorded[key]
	if !ok {
		return nil
	}
	const name = "greedy tokens"
	var want []int32
	if err := json.Unmarshal(raw, &want); err != nil {
		return fmt.Errorf("info.json: %s: %w", key, err)
	}
	c, err := ref.in.context(m)
	if err != nil {
		return err
	}
	row := c.IDs[:c.Tokens]
	first, end := 0, c.Tokens
	if c.First != nil {
		first, end = c.First[0], c.End[0]
	}
	begins := row
	if d, ok := m.(generate.EncoderDecoder); ok {
		begins = []int32{d.Start()}
	} else if end < c.Tokens {
		r.unsupported(name, "the first row is padded behind: transformers goes on after the padding")
		return nil
	}
	if len(want) < len(begins) || !slices.Equal(want[:len(begins)], begins) {
		r.equal(name, false, "%v are recorded, which do not begin with %v", want, begins)
		return nil
	}
	want = want[len(begins):]
	got, err := generate.Sequence(m, row[first:end], generate.Options{Tokens: len(want), Stop: ref.info.stop}, nil)
	if err != nil {
		r.fail(name, err)
		return nil
	}
	r.equal(name, slices.Equal(got, want), "%v, want %v", got, want)
	return nil
}
