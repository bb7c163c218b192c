package peers

// startPython runs a script that needs PyTorch, transformers and PEFT, and asks
// it about itself. The error is a *[Missing] where the machine lacks them.
func startPython(python string, script []byte, question map[string]any, about any) (*Server, error) {
	missing := func(why error) error {
		return &Missing{Name: "PyTorch with transformers and PEFT", Get: "pip install torch transformers peft", Why: why}
	}
	path, err := interpreter(python)
	if err != nil {
		return nil, missing(err)
	}
	// Bars and warnings would hide the line that says why the process ended.
	s, err := StartServer([]string{"HF_HUB_DISABLE_PROGRESS_BARS=1", "TRANSFORMERS_VERBOSITY=error", "TOKENIZERS_PARALLELISM=false", "HF_HUB_OFFLINE=1"}, path, "-c", string(script))
	if err != nil {
		return nil, missing(err)
	}
	if err := s.Ask("about", question, about); err != nil {
		s.Close()
		return nil, missing(err)
	}
	return s, nil
}
