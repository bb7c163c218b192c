package reference

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/nn/pretrained"
	"github.com/lowrank/lowrank/nn/tokenizer"
)

// many is how many sentences there are.
const many = 200

// The names of the sides in the rows.
const (
	oursName  = "ours"
	theirName = "PyTorch"
)

// texts returns the tokens of the sentences as we make them.
func (r *run) texts() (t *tokenizer.Tokenizer, sentences []string, labels []int, err error) {
	if sentences, labels, err = prose(many); err != nil {
		return nil, nil, nil, err
	}
	t, err = tokenizer.Load(filepath.Join(r.peer.Checkpoint, "tokenizer.json"))
	return t, sentences, labels, err
}

// checkpoint compares the tokens of the sentences, and their embeddings. Both
// sides embed the ids that we found, so that each row fails for itself.
func checkpoint(r *run, g group) error {
	const tokenRow, embeddingRow = "tokens", "embeddings"
	if !r.wanted(g, tokenRow) && !r.wanted(g, embeddingRow) {
		return nil
	}
	t, sentences, _, err := r.texts()
	if err != nil {
		return err
	}
	ids := tokens(t, sentences)
	if r.wanted(g, tokenRow) {
		if err := r.tokens(tokenRow, t, sentences, ids); err != nil {
			return err
		}
	}
	if !r.wanted(g, embeddingRow) {
		return nil
	}
	return r.embeddings(embeddingRow, ids)
}

func (r *run) tokens(name string, t *tokenizer.Tokenizer, sentences []string, ids [][]int) error {
	var theirs struct {
		IDs     [][]int
		Seconds float64
	}
	ours, other, err := inTurn(func() (float64, error) {
		began := time.Now()
		tokens(t, sentences)
		return time.Since(began).Seconds(), nil
	}, func() (float64, error) {
		err := r.peer.Ask("tokens", map[string]any{"folder": r.peer.Checkpoint, "sentences": sentences}, &theirs)
		return theirs.Seconds, err
	})
	if err != nil {
		return err
	}
	wrong, first := 0, ""
	for i := range ids {
		if i >= len(theirs.IDs) || !slices.Equal(ids[i], theirs.IDs[i]) {
			if wrong++; wrong == 1 {
				first = fmt.Sprintf("; first %.60q", sentences[i])
			}
		}
	}
	most, cut := longest(ids)
	r.judged(&compare.Row{
		Name: name, Unit: "µs/sentence", Rates: rates(1e6/float64(len(ids)), ours, other),
		Checks: []compare.Check{{What: "sentences differ", Got: float64(wrong), Want: 0, AtMost: true}},
		Note:   fmt.Sprintf("%d sentences, %d of %d tokens, where the tokenizer cuts%s", len(ids), cut, most, first),
	})
	return nil
}

func (r *run) embeddings(name string, ids [][]int) error {
	m, err := pretrained.Load(r.peer.Checkpoint)
	if err != nil {
		return err
	}
	var got []float32
	var theirs struct {
		Embeddings []float32
		Seconds    float64
	}
	ours, other, err := inTurn(func() (float64, error) {
		began := time.Now()
		got, err = embed(m, ids)
		return time.Since(began).Seconds(), err
	}, func() (float64, error) {
		err := r.peer.Ask("embed", map[string]any{"folder": r.peer.Checkpoint, "ids": ids, "size": size}, &theirs)
		return theirs.Seconds, err
	})
	if err != nil {
		return err
	}
	r.judged(&compare.Row{
		Name: name, Unit: "ms/sentence", Rates: rates(1e3/float64(len(ids)), ours, other),
		Checks: []compare.Check{{What: "largest difference", Got: difference(got, theirs.Embeddings), Want: 1e-4, AtMost: true}},
	})
	return nil
}

// inTurn runs both sides three times in turn and returns the least seconds of
// each: of what is the same every time, the rest is other programs'.
func inTurn(ours, theirs func() (float64, error)) (a, b float64, err error) {
	a, b = math.Inf(1), math.Inf(1)
	for range 3 {
		took, err := ours()
		if err != nil {
			return 0, 0, err
		}
		a = min(a, took)
		if took, err = theirs(); err != nil {
			return 0, 0, err
		}
		b = min(b, took)
	}
	return a, b, nil
}

// rates are the seconds of both sides in a unit.
func rates(unit, ours, theirs float64) []compare.Rate {
	return []compare.Rate{{Side: oursName, Seconds: ours, Rate: unit * ours}, {Side: theirName, Seconds: theirs, Rate: unit * theirs}}
}
