package verify

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
)

// An adapterInfo is what an adapter's folder says in JSON.
type adapterInfo struct {
	modelInfo
	Trained int `json:"n_trainable"`
}

// adapter compares the model with the adapters of a folder.
func (ref *reference) adapter(dir string, r *rows) error {
	want, err := openRecord(filepath.Join(dir, "outputs.safetensors"))
	if err != nil {
		return err
	}
	defer want.Close()
	var info adapterInfo
	if err := readJSON(filepath.Join(dir, "info.json"), &info); err != nil {
		return err
	}

	m, set, err := ref.adapted(dir)
	if err == nil && random(set) && !startRecorded(want, set) {
		err = fmt.Errorf("the start is random and not recorded: the base that it left cannot be made again: %w", errors.ErrUnsupported)
	}
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return errors.Join(err, ref.converted(dir, r, want))
	case err != nil:
		return err
	}
	r.equal("trained parameters", set.TrainedParameters() == info.Trained, "%d, want %d", set.TrainedParameters(), info.Trained)
	if err := compareStart(r, want, set); err != nil {
		return err
	}
	p, err := ref.in.forward(m)
	if err != nil {
		return err
	}
	p.compare(r, want, "")
	err = ref.gradients(r, want, p, func() ([]weight, error) { return adapterWeights(set) })
	if err != nil {
		return err
	}
	if err := ref.roundTrip(r, set, p); err != nil {
		return err
	}
	if err := ref.greedy(r, m, "greedy_row0", info.Generate); err != nil {
		return err
	}
	if err := ref.initial(dir, r, set); err != nil {
		return err
	}
	if err := ref.converted(dir, r, want); err != nil {
		return err
	}
	if err := ref.merged(r, want, m, set); err != nil {
		return err
	}
	want.rest(r)
	return nil
}

// adapted returns a fresh model with the adapters of a folder.
func (ref *reference) adapted(dir string) (nn.Model, *lora.Set, error) {
	config, err := os.ReadFile(filepath.Join(dir, lora.ConfigFile))
	if err != nil {
		return nil, nil, err
	}
	weights, err := os.ReadFile(filepath.Join(dir, lora.WeightsFile))
	if err != nil {
		return nil, nil, err
	}
	return ref.with(config, weights)
}

// with returns a fresh model with the adapters of two files.
func (ref *reference) with(config, weights []byte) (nn.Model, *lora.Set, error) {
	m, err := ref.model()
	if err != nil {
		return nil, nil, err
	}
	set, err := lora.Load(m, config, weights)
	return m, set, err
}

// roundTrip writes the adapters and reads them back: the outputs are the same
// bit for bit. Those whose start left the base are written as others, on the
// base as it is, and are the same but for rounding.
func (ref *reference) roundTrip(r *rows, set *lora.Set, p *pass) error {
	const name = "written and read"
	config, weights, err := set.Files()
	if err != nil {
		r.fail(name, err)
		return nil
	}
	m, again, err := ref.with(config, weights)
	if err != nil {
		r.fail(name, err)
		return nil
	}
	q, err := ref.in.forward(m)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	t := Tolerance{}
	if moved(set) {
		t = Values
	}
	r.near(name, ag.Floats(q.out), ag.Floats(p.out), t)
	n, want := again.TrainedParameters(), set.TrainedParameters()
	if !moved(set) {
		r.equal(name+": parameters", n == want, "%d, want %d", n, want)
	}
	return nil
}
