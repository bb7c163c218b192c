package main

import (
	"math"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/experiments/data"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/probe"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/optim"
)

// A lesson is what students are taught and tested on, all in the same way.
type lesson struct {
	base            nn.Model
	text            *data.Corpus
	rows, tokens    int // of a batch of training
	steps           int
	exam            int // rows of the held-out batch and of that which the sharpness is of
	rank            int
	iterations      int     // of Lanczos
	start, diverged float64 // the base's held-out loss; from diverged on, a run is given up
}

// A student is a model that a method has just been injected into. It can be
// taught again and again from that start.
type student struct {
	*lesson
	set    *lora.Set
	seed   uint64
	params []*ag.Variable
	values [][]float32 // of params at the start

	training, test page
}

// A page is a model on batches of one shape, and the mean loss of a token.
type page struct {
	*data.Batch
	tape *ag.Tape
	loss ag.Tensor
}

func newPage(model nn.Model, rows, tokens int) (p page, err error) {
	p = page{Batch: data.NewBatch(rows, tokens), tape: ag.NewTape()}
	err = ag.Guard(func() {
		logits := model.Forward(&nn.Context{Tape: p.tape, Batch: rows, Tokens: tokens, IDs: p.IDs})
		p.loss = p.tape.Run(ag.NewCrossEntropy(logits, p.Targets))
	})
	return p, err
}

// read returns the loss of what the batch now holds.
func (p page) read() float64 {
	p.tape.Replay()
	return float64(ag.Floats(p.loss)[0])
}

// open sets the base and the text, and measures the base's loss.
func (l *lesson) open(base nn.Model, text *data.Corpus) error {
	l.base, l.text = base, text
	p, err := newPage(base, l.exam, l.tokens)
	if err != nil {
		return err
	}
	p.Spread(text.HeldOut, 0, l.exam)
	l.start = p.read()
	l.diverged = 2 * l.start
	return nil
}

// enrol injects a method into a copy of the base.
func (l *lesson) enrol(method lora.Method, seed uint64) (*student, error) {
	model := l.base.Clone()
	opt := lora.Options{Rank: l.rank, Alpha: float64(l.rank), Seed: seed}
	if method.Needs(adapter.FullGradient) {
		var p page
		g, err := method.Calibrate(model, nil, 8, func(batch int) (err error) {
			if batch == 0 { // the graph is to have the gradients that calibration asks for
				if p, err = newPage(model, l.rows, l.tokens); err != nil {
					return err
				}
			}
			p.Draw(l.text.Train, seed, "calibration", batch)
			p.read()
			return p.tape.Backward(p.loss)
		})
		if err != nil {
			return nil, err
		}
		opt.Gradient = g.Of
	}
	s := &student{lesson: l, seed: seed}
	var err error
	if s.set, err = lora.Inject(model, method, opt); err != nil {
		return nil, err
	}
	for _, m := range s.set.Maps {
		for _, f := range m.Factors {
			if f.Trained {
				s.params = append(s.params, f.Variable)
				s.values = append(s.values, append([]float32(nil), f.Floats()...))
			}
		}
	}
	if s.test, err = newPage(model, l.exam, l.tokens); err != nil {
		return nil, err
	}
	s.training, err = newPage(model, l.rows, l.tokens)
	return s, err
}

// sharpness returns the largest eigenvalue of the loss's Hessian in the factors
// where they now are, over a batch of the text to train on.
func (s *student) sharpness() (probe.Top, error) {
	p := s.test
	p.Spread(s.text.Train, 0, s.exam)
	return probe.Sharpness(s.params, func() error {
		for _, v := range s.params {
			v.ZeroGrad()
		}
		p.read()
		return p.tape.Backward(p.loss)
	}, s.iterations, s.seed)
}

// learn takes the steps of a lesson from the start at a constant learning rate,
// and returns the held-out loss after the last one; +Inf if it diverges.
func (s *student) learn(update adapter.Update, lr float64) (float64, error) {
	for i, v := range s.params {
		copy(v.Floats(), s.values[i])
	}
	opt := optim.New(update.Transform(0), s.set.Groups())
	for step := range s.steps {
		s.training.Draw(s.text.Train, s.seed, "train", step)
		if loss := s.training.read(); !(loss < s.diverged) {
			return math.Inf(1), nil
		}
		opt.ZeroGrad()
		if err := s.training.tape.Backward(s.training.loss); err != nil {
			return 0, err
		}
		opt.Step(lr)
	}
	s.test.Spread(s.text.HeldOut, 0, s.exam)
	if loss := s.test.read(); loss < s.diverged {
		return loss, nil
	}
	return math.Inf(1), nil
}
