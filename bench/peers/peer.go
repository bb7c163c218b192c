package peers

import (
	"fmt"
	"time"
)

// patience is how long a peer may take to reply.
const patience = 2 * time.Minute

// A Peer is a running process that times jobs. It serves one call at a time.
type Peer struct {
	Name    string // oneDNN
	Version string // what it says of itself

	*process
}

// start runs a peer's command, with more in its environment, and asks for its version.
func start(name string, env []string, command ...string) (*Peer, error) {
	process, err := launch(env, command...)
	if err != nil {
		return nil, err
	}
	p := &Peer{Name: name, process: process}
	version, err := p.ask(wantName, Job{}, 0, 0)
	if err != nil {
		p.Close()
		return nil, err
	}
	p.Version = string(version)
	return p, nil
}

// Time runs a job repeats times after one untimed run, and returns the seconds
// of a run in each repeat. A repeat is the mean of calls runs, for work that a
// clock cannot resolve.
func (p *Peer) Time(j Job, calls, repeats int) ([]float64, error) {
	payload, err := p.ask(wantSeconds, j, calls, repeats)
	var took []float64
	if err == nil {
		took, err = seconds(payload, repeats)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	return took, nil
}

// Result returns the outputs of one run that began with zeros in them, one
// after the other in the order of the operands' names.
func (p *Peer) Result(j Job) ([]float32, error) {
	payload, err := p.ask(wantResult, j, 1, 1)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	return floats(payload), nil
}

// ask sends a request and reads the reply.
func (p *Peer) ask(want int, j Job, calls, repeats int) (payload []byte, err error) {
	err = p.exchange(patience, func() error {
		if err := writeRequest(p.in, want, j, calls, repeats); err != nil {
			return err
		}
		payload, err = readReply(p.out)
		return err
	})
	return payload, err
}
