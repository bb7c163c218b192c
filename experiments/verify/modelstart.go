package verify

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/nn"
)

// moved reports whether the adapters' start was taken out of the base.
func moved(set *lora.Set) bool {
	a, _ := set.Maps[0].Start()
	return a != nil
}

// random reports whether the start is drawn anew each time that it is made.
func random(set *lora.Set) bool {
	svd, ok := set.Method.Initial.(initial.SVD)
	return ok && svd.Iterations > 0 && moved(set)
}

// compareStart compares the factors whose product was taken out of the base,
// and what it left, where they are recorded. The recorded ones then stand in
// the place of those made here: PEFT's decomposition, in float32, leaves weights
// that are 2e-6 off the exact ones, which is within the tolerance, and of which
// a few layers make 1.2e-5 in logits, which is not.
func compareStart(r *rows, want *record, set *lora.Set) error {
	d, ok := set.Method.Delta.(adapter.Stored)
	if !ok || !moved(set) {
		return nil
	}
	for _, m := range set.Maps {
		names, residual := startNames(d, m)
		if !want.has(names["A"]) || !want.has(names["B"]) || !want.has(residual) {
			continue
		}
		a, err := want.take(names["A"])
		if err != nil {
			return err
		}
		b, err := want.take(names["B"])
		if err != nil {
			return err
		}
		if len(a) != m.Rank*m.In || len(b) != m.Out*m.Rank {
			r.fail(names["A"], fmt.Errorf("the factors have %d and %d values, want rank %d of %d×%d", len(a), len(b), m.Rank, m.Out, m.In))
			continue
		}
		own, base := componentsOf(m), m.Base.Floats()
		m.OffsetBy(ag.NewVariable(m.Rank, m.In, a), ag.NewVariable(m.Out, m.Rank, b))
		if random(set) { // which others than these cannot be
			want.near(r, residual, asStored(m, m.Base.Floats()))
			continue
		}
		recorded := componentsOf(m)
		if _, ok := set.Method.Initial.(initial.SVD); ok && own.turned(recorded) && recorded.singular(m.W0()) {
			base = m.Base.Floats()
		} else {
			own.compare(r, names["A"], names["B"], recorded)
		}
		want.near(r, residual, asStored(m, base))
	}
	return nil
}

// startNames returns the names of the recorded factors of a map's start, and of
// what it left of the base.
func startNames(d adapter.Stored, m *adapter.Map) (factors map[string]string, residual string) {
	factors = map[string]string{}
	for _, t := range d.PEFT().Tensors {
		f := m.Factor(t.Factor)
		name, _ := t.Stored(m.Linear, f.Rows(), f.Cols())
		factors[t.Factor] = "init.base_model.model." + m.Name + "." + name
	}
	return factors, "residual.base_model.model." + m.Name + ".base_layer.weight"
}

// startRecorded reports whether the start of every map is recorded.
func startRecorded(want *record, set *lora.Set) bool {
	d, ok := set.Method.Delta.(adapter.Stored)
	if !ok {
		return false
	}
	for _, m := range set.Maps {
		if names, residual := startNames(d, m); !want.has(names["A"]) || !want.has(names["B"]) || !want.has(residual) {
			return false
		}
	}
	return true
}

// asStored returns w, out×in, in the order that the checkpoint has.
func asStored(m *adapter.Map, w []float32) []float32 {
	if m.Kind != nn.Table && !m.FanInFanOut {
		return w
	}
	return transposed(w, m.Out, m.In)
}

// initial compares the adapters as they started, where a folder has them, with
// the base: what left it, they give back. They are saved as if nothing had
// left, so that the configuration to read them with is the trained ones'.
func (ref *reference) initial(dir string, r *rows, trained *lora.Set) error {
	weights, err := os.ReadFile(filepath.Join(dir, "initial", lora.WeightsFile))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	config, err := os.ReadFile(filepath.Join(dir, lora.ConfigFile))
	if err != nil {
		return err
	}
	base, err := openRecord(filepath.Join(ref.dir, "base_outputs.safetensors"))
	if err != nil {
		return err
	}
	defer base.Close()
	m, set, err := ref.with(config, weights)
	if err != nil {
		return fmt.Errorf("initial: %w", err)
	}
	for i, m := range set.Maps {
		if a, b := trained.Maps[i].Start(); a != nil {
			m.OffsetBy(a, b)
		}
	}
	p, err := ref.in.forward(m)
	if err != nil {
		return err
	}
	p.outputs(r, base, "logits", "initial/logits")
	return nil
}

// converted compares the same adapters as others of the base as it is, where a
// folder has them.
func (ref *reference) converted(dir string, r *rows, want *record) error {
	const name = "converted_to_lora"
	dir = filepath.Join(dir, name)
	if !has(dir, lora.ConfigFile) {
		return nil
	}
	m, _, err := ref.adapted(dir)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p, err := ref.in.forward(m)
	if err != nil {
		return err
	}
	p.outputs(r, want, "logits", name+"/logits")
	return nil
}
