package notebooks

import (
	"fmt"
	"io"
	"time"

	"github.com/lowrank/lowrank/experiments/record"
)

// Progress tells, in a line every few seconds, how far an experiment is. It is
// a sweep.Watcher, and its method Pretraining watches the base model.
type Progress struct {
	out   io.Writer
	told  time.Time
	ended int
}

// every is the least time between two lines.
const every = 5 * time.Second

func (p *Progress) tell(format string, args ...any) {
	if time.Since(p.told) >= every {
		p.told = time.Now()
		fmt.Fprintf(p.out, format+"\n", args...)
	}
}

// Pretraining is called after a step of the base model's training.
func (p *Progress) Pretraining(step int, loss float64) {
	p.tell("base model: step %d, loss %.3f", step, loss)
}

// Plan tells nothing: an experiment has several sweeps, and none knows of the
// next.
func (p *Progress) Plan(int) {}

// Step is called after a step of a run.
func (p *Progress) Step(id string, step, steps int, loss float64) {
	p.tell("%d runs done; %s: step %d of %d, loss %.3f", p.ended, id, step, steps, loss)
}

// End is called when a run is over.
func (p *Progress) End(_ *record.Run, _ bool, failure error) {
	p.ended++
	if failure != nil {
		fmt.Fprintf(p.out, "a run failed: %v\n", failure)
	}
}
