package verify

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// models are folders with a model, its inputs and its outputs, the adapters
// that were saved for it with theirs, and traces of how adapters were trained.
var models = kind{
	name:  "model",
	is:    func(dir string) bool { return has(dir, pretrained.ConfigFile, "base_outputs.safetensors") },
	cases: modelCases,
	run:   runModel,
}

// baseCase is the model as it stands; adapters are called by their folder below
// adapterDir, traces by theirs, which begins with tracePrefix.
const (
	baseCase    = "base"
	adapterDir  = "adapters"
	tracePrefix = "train_"
)

func modelCases(dir string) ([]string, error) {
	names := []string{baseCase}
	for _, below := range []string{adapterDir, ""} {
		list, err := os.ReadDir(filepath.Join(dir, below))
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		for _, e := range list {
			if e.IsDir() && (below != "" || strings.HasPrefix(e.Name(), tracePrefix)) {
				names = append(names, filepath.ToSlash(filepath.Join(below, e.Name())))
			}
		}
	}
	return names, nil
}

// A reference is a model's folder as every case of it needs it.
type reference struct {
	dir  string
	info modelInfo
	in   inputs
}

func runModel(dir, name string, r *rows) {
	ref := &reference{dir: dir}
	switch err := ref.run(name, r); {
	case err == nil:
	case errors.Is(err, errors.ErrUnsupported):
		r.unsupported("", err.Error())
	default:
		r.fail("", err)
	}
}

func (ref *reference) run(name string, r *rows) error {
	if err := ref.read(); err != nil {
		return err
	}
	dir := filepath.Join(ref.dir, filepath.FromSlash(name))
	switch {
	case name == baseCase:
		return ref.base(r)
	case strings.HasPrefix(name, tracePrefix):
		return ref.train(dir, r)
	}
	return ref.adapter(dir, r)
}

func (ref *reference) read() (err error) {
	if ref.info, err = readModelInfo(ref.dir); err != nil {
		return err
	}
	ref.in, err = readInputs(filepath.Join(ref.dir, "inputs.safetensors"))
	return err
}

// model reads the model anew: what one comparison does to it, no other sees.
func (ref *reference) model() (nn.Model, error) { return pretrained.Load(ref.dir) }

// base compares the model as it stands.
func (ref *reference) base(r *rows) error {
	m, err := ref.model()
	if err != nil {
		return err
	}
	want, err := openRecord(filepath.Join(ref.dir, "base_outputs.safetensors"))
	if err != nil {
		return err
	}
	defer want.Close()

	if n, want := nn.Parameters(m), ref.info.Params; want > 0 {
		r.equal("parameters", n == want, "%d, want %d", n, want)
	}
	trainAll(m)
	p, err := ref.in.forward(m)
	if err != nil {
		return err
	}
	p.compare(r, want, "")
	err = ref.gradients(r, want, p, func() ([]weight, error) { return modelWeights(m), nil })
	if err != nil {
		return err
	}
	want.rest(r)
	return ref.greedy(r, m, "base_greedy_row0", ref.info.Generate)
}

// trainAll makes all tensors of a model trained.
func trainAll(m nn.Model) {
	if m, ok := m.(interface{ SetTrained(bool) }); ok {
		m.SetTrained(true)
		return
	}
	for _, p := range m.Params() {
		p.SetRequiresGrad(true)
	}
}
