package peers

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"time"
)

// A Server is a program that is asked in lines of JSON. A question is an object
// whose "do" says what to do and whose other keys are arguments; the answer is
// another, with "error" where there is none.
type Server struct {
	*process
}

// StartServer runs a command, with more in its environment.
func StartServer(env []string, command ...string) (*Server, error) {
	process, err := launch(env, command...)
	if err != nil {
		return nil, err
	}
	return &Server{process}, nil
}

// Ask has the other side do something and reads the answer. A refusal is an
// error that leaves it running.
func (s *Server) Ask(do string, question map[string]any, answer any) error {
	const patience = 10 * time.Minute // of a training run
	err := s.exchange(patience, func() error {
		if err := writeQuestion(s.in, do, question); err != nil {
			return err
		}
		return readAnswer(s.out, answer)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", do, err)
	}
	return nil
}

func writeQuestion(w io.Writer, do string, question map[string]any) error {
	q := maps.Clone(question)
	if q == nil {
		q = map[string]any{}
	}
	q["do"] = do
	return json.NewEncoder(w).Encode(q)
}

func readAnswer(r *bufio.Reader, answer any) error {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the answer is no whole line: %w", err)
	}
	var refused struct{ Error string }
	if err := json.Unmarshal(line, &refused); err != nil {
		return fmt.Errorf("the answer is no object of JSON: %w", err)
	}
	if refused.Error != "" {
		return refusal(refused.Error)
	}
	if err := json.Unmarshal(line, answer); err != nil {
		return fmt.Errorf("the answer: %w", err)
	}
	return nil
}

// A Function answers a question, which it decodes from its line.
type Function func(question []byte) (answer any, err error)

// Serve is the other end of a [Server]: it answers questions with the functions
// by their names until there are none left.
func Serve(in io.Reader, out io.Writer, functions map[string]Function) error {
	questions, answers := bufio.NewReader(in), json.NewEncoder(out)
	for {
		line, err := questions.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		answer, err := answerTo(line, functions)
		if err != nil {
			answer = map[string]string{"error": err.Error()}
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
}

func answerTo(line []byte, functions map[string]Function) (any, error) {
	var q struct{ Do string }
	if err := json.Unmarshal(line, &q); err != nil {
		return nil, err
	}
	f := functions[q.Do]
	if f == nil {
		return nil, fmt.Errorf("%q is not known", q.Do)
	}
	return f(line)
}
