package peers

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// patience is how long a peer may take to reply.
const patience = 2 * time.Minute

// A Peer is a running process that times jobs. It serves one call at a time.
type Peer struct {
	Name    string // oneDNN
	Version string // what it says of itself

	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	pipe   *os.File
	stderr bytes.Buffer
	close  func() error
}

// start runs a peer's command, with more in its environment, and asks for its version.
func start(name string, env []string, command ...string) (*Peer, error) {
	p := &Peer{Name: name, cmd: exec.Command(command[0], command[1:]...)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr, p.close = &p.stderr, sync.OnceValue(p.end)
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.pipe, p.out, p.cmd.Stdout = read, bufio.NewReaderSize(read, 1<<20), write
	err = p.cmd.Start()
	write.Close() // the child has its own
	if err != nil {
		read.Close()
		return nil, err
	}
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
func (p *Peer) ask(want int, j Job, calls, repeats int) ([]byte, error) {
	if err := p.pipe.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	err := writeRequest(p.in, want, j, calls, repeats)
	var payload []byte
	if err == nil {
		payload, err = readReply(p.out)
	}
	var refused refusal
	if err != nil && !errors.As(err, &refused) {
		p.Close() // after which all that it said is there
		if said := lastLine(p.stderr.String()); said != "" {
			err = errors.New(said)
		}
	}
	return payload, err
}

// lastLine is where programs say why they ended.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// Close ends the process. It may be called again.
func (p *Peer) Close() error { return p.close() }

func (p *Peer) end() error {
	p.in.Close()
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }()
	select {
	case err := <-ended:
		p.pipe.Close()
		return err
	case <-time.After(5 * time.Second):
		p.cmd.Process.Kill()
		p.pipe.Close()
		return <-ended
	}
}
