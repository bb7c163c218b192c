package peers

import _ "embed"

//go:embed steps.py
var steps []byte

// Steps is PyTorch with transformers and PEFT, eager, that makes training steps:
// a question's "do" names a function of steps.py. What a process has had
// resident is one training's, so each has its own.
type Steps struct {
	Version string

	*Server
}

// StartSteps runs the Python side, with an interpreter of that path or, where
// it is "", of the environment. The error is a *[Missing] where the machine
// lacks it.
func StartSteps(python string) (*Steps, error) {
	s := &Steps{}
	var about struct{ Version string }
	var err error
	if s.Server, err = startPython(python, steps, nil, &about); err != nil {
		return nil, err
	}
	s.Version = about.Version
	return s, nil
}
