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

// A process is a program that is asked over a pipe, one question at a time.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	pipe   *os.File
	stderr bytes.Buffer
	close  func() error
}

// launch runs a command with more in its environment.
func launch(env []string, command ...string) (*process, error) {
	p := &process{cmd: exec.Command(command[0], command[1:]...)}
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
	return p, nil
}

// Pid returns the process's number.
func (p *process) Pid() int { return p.cmd.Process.Pid }

// A refusal is what a peer says is wrong with a question; it goes on serving.
type refusal string

func (r refusal) Error() string { return string(r) }

// exchange runs talk, which sends a question and reads the answer. After an
// error that is no refusal the process is ended, and what it said last is the
// error.
func (p *process) exchange(patience time.Duration, talk func() error) error {
	if err := p.pipe.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	err := talk()
	var refused refusal
	if err == nil || errors.As(err, &refused) {
		return err
	}
	p.Close() // after which all that it said is there
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("no answer within %v", patience)
	}
	if said := lastLine(p.stderr.String()); said != "" {
		err = errors.New(said)
	}
	return err
}

// lastLine is where programs say why they ended.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// Close ends the process. It may be called again.
func (p *process) Close() error { return p.close() }

func (p *process) end() error {
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
