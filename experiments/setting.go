package experiments

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/lowrank/lowrank/experiments/data"
	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
)

// A Setting is what runs share: the base model, which no run changes, and the
// data. Runs may use it side by side.
type Setting struct {
	Base        nn.Model
	Fingerprint string // of the base model's values and of the data

	// Of the study's texts:
	Adapt *data.Corpus // what the model is adapted to
	Prose *data.Corpus // what it was pretrained on, to measure forgetting
	Texts [2]string    // where the two were found: prose, adapt

	// Of examples:
	Task   string   // one of Tasks
	Labels []string // the names of the classes
	facts  []Fact

	feed  feed
	model string   // as the configuration names it; "": the study's own
	heads []string // modules that a head's new or usual tensors are in

	mu     sync.Mutex
	losses map[[3]int]record.Eval // of the base model, by batch, tokens, batches
}

// Open reads what a configuration is to be trained on: its examples and its
// model, or else as [OpenSetting] does the study's texts and the study's model,
// pretrained as p says and kept under out/base.
func Open(ctx context.Context, out string, c *Config, p Pretraining, watch func(step int, loss float64)) (*Setting, error) {
	if c.Data.Train != "" {
		return openExamples(c)
	}
	return OpenSetting(ctx, out, c, p, watch)
}

// OpenSetting reads the texts that a configuration names and its model, or else
// the study's own, pretrained as p says and kept under out/base.
func OpenSetting(ctx context.Context, out string, c *Config, p Pretraining, watch func(step int, loss float64)) (*Setting, error) {
	d, tokens := c.Data, c.Train.Tokens
	s := &Setting{losses: map[[3]int]record.Eval{}, model: c.Model}
	var err error
	if s.Prose, s.Texts[0], err = corpus(d.BaseText, data.Prose, d, max(tokens, p.Tokens)); err != nil {
		return nil, err
	}
	if s.Adapt, s.Texts[1], err = corpus(d.AdaptText, data.GoSource, d, tokens); err != nil {
		return nil, err
	}
	if c.Model != "" {
		s.Base, err = LoadBase(c.Model, c.Base)
	} else {
		if err := checkUntrained(c, p); err != nil { // before the base is pretrained, not after
			return nil, err
		}
		s.Base, err = prepareBase(ctx, filepath.Join(out, "base"), c.Base, p, s.Prose, watch)
	}
	if err != nil {
		return nil, err
	}
	if err := s.Base.Check(&nn.Context{Batch: 1, Tokens: tokens, IDs: make([]int32, tokens)}); err != nil {
		return nil, fmt.Errorf("train.tokens is %d: %w", tokens, err)
	}
	s.feed = byteFeed(s.Adapt.Train, byteExam("adapt", s.Adapt.HeldOut), byteExam("base", s.Prose.HeldOut))
	s.Fingerprint = hash([]byte(lora.BaseHash(s.Base, nil)), s.Prose.Train, s.Prose.HeldOut, s.Adapt.Train, s.Adapt.HeldOut)
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

// before returns how the base model itself does in the exams, under the names
// that a run's record has for it.
func (s *Setting) before(ctx context.Context, batch, tokens, batches int) (record.Eval, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [3]int{batch, tokens, batches}
	if e, ok := s.losses[key]; ok {
		return e, nil
	}
	g, err := newGraph(s.Base.Clone(), forwardOnly(s.feed.open(batch, tokens)), 1)
	if err != nil {
		return nil, err
	}
	before := record.Eval{}
	for _, e := range s.feed.exams {
		score, err := g.evaluate(ctx, e, batches)
		if err != nil {
			return nil, err
		}
		for _, m := range e.results(score) {
			before[m.name+"_before"] = m.value
		}
	}
	s.losses[key] = before
	return before, nil
}

// BaseLosses returns the held-out losses of the base model itself, on the text
// to adapt to and on the one it was trained on.
func (s *Setting) BaseLosses(batch, tokens, batches int) (adapt, prose float64, err error) {
	e, err := s.before(context.Background(), batch, tokens, batches)
	return e["adapt_before"], e["base_before"], err
}

// saved are the modules that are trained whole: those of the configuration, and
// the head's.
func (s *Setting) saved(c *Config) []string {
	saved := append([]string(nil), c.Save...)
	for _, head := range s.heads {
		covered := false
		for _, module := range c.Save {
			covered = covered || strings.HasSuffix(head, module)
		}
		if !covered {
			saved = append(saved, head)
		}
	}
	return saved
}
