package training

import (
	"encoding/json"
	"errors"
	"io"
	"runtime/debug"
	"time"

	"github.com/lowrank/lowrank/bench/machine"
	"github.com/lowrank/lowrank/bench/peers"
	"github.com/lowrank/lowrank/bench/step"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// Word is the argument on which a program is to call [Serve]: Run starts the
// program that it is part of once more with it.
const Word = "serve-steps"

// Serve is our side: it answers questions about one training. The functions,
// their arguments and answers are those of peers/steps.py where it has them.
func Serve(in io.Reader, out io.Writer) error {
	s := &server{}
	return peers.Serve(in, out, map[string]peers.Function{
		"prepare":     s.prepare,
		"losses":      s.losses,
		"times":       s.times,
		"memory":      s.memory,
		"allocations": s.allocations,
		"peak":        s.peak,
		"inference":   s.inference,
	})
}

type server struct {
	training *step.Training
	steady   time.Time // when the first step was made
}

// A question is what all of them may have.
type question struct {
	Folder, Shape, Method string
	Base                  string // the format that the weights are kept in; "": the files', packed once
	Seed                  uint64
	Threads               int
	Warm, Steps, Skip     int
}

func (s *server) read(line []byte) (q question, err error) {
	err = json.Unmarshal(line, &q)
	if q.Threads > 0 {
		kernels.SetThreads(q.Threads)
	}
	return q, err
}

func (s *server) prepare(line []byte) (any, error) {
	q, err := s.read(line)
	if err != nil {
		return nil, err
	}
	shape, err := step.ShapeOf(q.Shape)
	if err != nil {
		return nil, err
	}
	model, err := load(q.Folder, q.Base)
	if err != nil {
		return nil, err
	}
	if s.training, err = step.Of(shape, model, q.Method, q.Seed); err != nil {
		return nil, err
	}
	return prepared{Trained: s.training.Trained(), Flops: s.training.Flops()}, nil
}

func load(dir, base string) (nn.Model, error) {
	if base == "" {
		return pretrained.Load(dir)
	}
	d, err := kernels.ParseDtype(base)
	if err != nil {
		return nil, err
	}
	return pretrained.LoadKept(dir, d, nil)
}

type prepared struct {
	Trained int     `json:"trained"`
	Flops   float64 `json:"flops"`
}

func (s *server) losses(line []byte) (any, error) {
	q, err := s.read(line)
	if err != nil {
		return nil, err
	}
	var a losses
	for i := range q.Steps {
		loss, err := s.training.Step()
		if err != nil {
			return nil, err
		}
		if i == 0 {
			s.steady = time.Now()
			a.First = float64(s.steady.UnixNano()) / 1e9
		}
		a.Losses = append(a.Losses, float64(loss))
	}
	return a, nil
}

// losses are those of the first steps, and when the first was made.
type losses struct {
	Losses []float64 `json:"losses"`
	First  float64   `json:"first"` // in seconds since 1970
}

func (s *server) times(line []byte) (any, error) {
	q, err := s.read(line)
	if err != nil {
		return nil, err
	}
	s.training.SkipTo(q.Skip)
	for range q.Warm {
		if _, err := s.training.Step(); err != nil {
			return nil, err
		}
	}
	var a times
	for range q.Steps {
		began := time.Now()
		if _, err := s.training.Step(); err != nil {
			return nil, err
		}
		a.Seconds = append(a.Seconds, time.Since(began).Seconds())
	}
	return a, nil
}

// times are those of each step.
type times struct {
	Seconds []float64 `json:"seconds"`
}

func (s *server) memory([]byte) (any, error) {
	a := memory{}
	var err error
	if a.Peak, err = machine.Resident(); errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	a.Formula = s.training.Memory()
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	for i, end := range stats.PauseEnd {
		if end.After(s.steady) {
			a.Pause = max(a.Pause, stats.Pause[i].Seconds())
		}
	}
	return a, err
}

// memory is what was resident at most, 0 where it is not known, what ours should
// be, and the longest pause for the collection of garbage after the first step.
type memory struct {
	Peak    int         `json:"peak"`
	Formula step.Memory `json:"formula"`
	Pause   float64     `json:"pause"` // in seconds
}

func (s *server) allocations(line []byte) (any, error) {
	q, err := s.read(line)
	if err != nil {
		return nil, err
	}
	a := allocations{Least: -1}
	for range q.Steps {
		n := int(step.Mallocs(func() {
			if err == nil {
				_, err = s.training.Step()
			}
		}))
		if a.Least < 0 || n < a.Least {
			a.Least = n
		}
		a.Mean += float64(n) / float64(q.Steps)
	}
	return a, err
}

// allocations are those of a step. What our code does it does in every step, so
// that the least is the most that is its; the runtime may add some.
type allocations struct {
	Least int     `json:"least"`
	Mean  float64 `json:"mean"`
}

func (s *server) peak(line []byte) (any, error) {
	q, err := s.read(line)
	for began := time.Now(); time.Since(began) < settle; {
		machine.FMA(q.Threads)
	}
	var a peaks
	for range q.Steps {
		a.Rates = append(a.Rates, machine.FMA(q.Threads))
	}
	return a, err
}

// settle is how long threads run before they are timed: the system may wake
// them on one core and spread them only after some milliseconds.
const settle = 40 * time.Millisecond

// peaks are measurements of the peak of the cores in FLOP/s.
type peaks struct {
	Rates []float64 `json:"rates"`
}
