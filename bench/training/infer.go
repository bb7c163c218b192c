package training

import (
	"time"

	"github.com/lowrank/lowrank/bench/step"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// inference times the model of a folder on the batch with an adapter that is
// apart, and with the same merged.
func (s *server) inference(line []byte) (any, error) {
	q, err := s.read(line)
	if err != nil {
		return nil, err
	}
	shape, err := step.ShapeOf(q.Shape)
	if err != nil {
		return nil, err
	}
	var runs [2]func()
	for i := range runs {
		model, err := pretrained.Load(q.Folder)
		if err != nil {
			return nil, err
		}
		set, err := step.Inject(model, q.Method, q.Seed)
		if err == nil && i == 1 {
			err = set.Merge()
		}
		if err != nil {
			return nil, err
		}
		if runs[i], err = step.Inference(shape, model, q.Seed); err != nil {
			return nil, err
		}
	}
	var took [2][]float64
	for n := range q.Steps {
		for k := range runs {
			i := (k + n) % len(runs)
			runs[i]() // brings its weights into the caches
			began := time.Now()
			runs[i]()
			took[i] = append(took[i], time.Since(began).Seconds())
		}
	}
	return forwards{Apart: took[0], Merged: took[1]}, nil
}

// forwards are the seconds of runs with the adapter apart, and merged.
type forwards struct {
	Apart  []float64 `json:"apart"`
	Merged []float64 `json:"merged"`
}
