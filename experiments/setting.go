package experiments

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/lowrank/lowrank/experiments/data"
	"github.com/lowrank/lowrank/nn"
)

// A Setting is what runs share: the base model, which no run changes, and the
// texts. Runs may use it side by side.
type Setting struct {
	Base        nn.Model
	Adapt       *data.Corpus // what the model is adapted to
	Prose       *data.Corpus // what it was pretrained on, to measure forgetting
	Texts       [2]string    // where the two were found: prose, adapt
	Fingerprint string       // of the base model's values and of the texts

	mu     sync.Mutex
	losses map[[3]int][2]float64 // of the base model, by batch, tokens, batches
}

// OpenSetting reads the texts that d names and the base model that base names,
// or else the study's own, pretrained as p says and kept under out/base.
func OpenSetting(ctx context.Context, out string, base Base, d Data, p Pretraining, tokens int, watch func(step int, loss float64)) (*Setting, error) {
	s := &Setting{losses: map[[3]int][2]float64{}}
	var err error
	if s.Prose, s.Texts[0], err = corpus(d.BaseText, data.Prose, d, max(tokens, p.Tokens)); err != nil {
		return nil, err
	}
	if s.Adapt, s.Texts[1], err = corpus(d.AdaptText, data.GoSource, d, tokens); err != nil {
		return nil, err
	}
	if base.Dir != "" {
		s.Base, err = LoadBase(base.Dir)
	} else {
		s.Base, err = PrepareBase(ctx, filepath.Join(out, "base"), p, s.Prose, watch)
	}
	if err != nil {
		return nil, err
	}
	if err := s.Base.Check(&nn.Context{Batch: 1, Tokens: tokens, IDs: make([]int32, tokens)}); err != nil {
		return nil, fmt.Errorf("train.tokens is %d: %w", tokens, err)
	}
	var values [][]byte
	for _, w := range s.Base.Params() {
		values = append(values, []byte(w.Name), float32Bytes(w.Floats()))
	}
	s.Fingerprint = hash(append(values, s.Prose.Train, s.Prose.HeldOut, s.Adapt.Train, s.Adapt.HeldOut)...)
	return s, nil
}

// corpus reads the named file, or what the Go installation offers.
func corpus(path string, found func(max int) ([]byte, string, error), d Data, tokens int) (*data.Corpus, string, error) {
	var text []byte
	var err error
	if path == "" {
		text, path, err = found(int(d.MaxBytes))
	} else {
		text, err = data.ReadText(path, int(d.MaxBytes))
	}
	if err != nil {
		return nil, "", err
	}
	c, err := data.Split(path, text, d.HeldOut, tokens)
	return c, path, err
}

// BaseLosses returns the held-out losses of the base model itself, on the text
// to adapt to and on the one it was trained on.
func (s *Setting) BaseLosses(batch, tokens, batches int) (adapt, prose float64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [3]int{batch, tokens, batches}
	if l, ok := s.losses[key]; ok {
		return l[0], l[1], nil
	}
	g, err := newGraph(s.Base.Clone(), batch, tokens, 1)
	if err != nil {
		return 0, 0, err
	}
	adapt, prose = g.evaluate(s.Adapt.HeldOut, batches), g.evaluate(s.Prose.HeldOut, batches)
	s.losses[key] = [2]float64{adapt, prose}
	return adapt, prose, nil
}
