package step

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/rank"
	"github.com/lowrank/lowrank/lora/update"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// Files are a training as another framework reads it.
type Files struct {
	Base    string   // folder of the model
	Adapter string   // folder of the adapter in PEFT's form; "": none
	Trained []string // without an adapter, the tensors that are trained
	Frozen  string   // what is frozen of the adapter, by a part of its tensors' names
}

// WriteModel writes the folder of a shape's model.
func WriteModel(dir string, s Shape, seed uint64) error {
	model, err := s.Model(seed)
	if err != nil {
		return err
	}
	return writeModel(dir, s, pretrained.Tensors(model))
}

func writeModel(dir string, s Shape, tensors []pretrained.Tensor) error {
	config, err := json.MarshalIndent(s.Config(), "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		write(filepath.Join(dir, pretrained.WeightsFile), func(w io.Writer) error { return pretrained.WriteSafetensors(w, tensors, nil) }),
		write(filepath.Join(dir, pretrained.ConfigFile), func(w io.Writer) error { _, err := w.Write(config); return err }),
	)
}

// WriteMethod writes what a method trains, at its start, and returns where: the
// model is in the folder base unless the start has changed it.
func WriteMethod(dir, base string, s Shape, method string, seed uint64) (Files, error) {
	files := Files{Base: base}
	model, err := s.Model(seed)
	if err != nil {
		return files, err
	}
	if method == Everything {
		for _, p := range model.Params() {
			files.Trained = append(files.Trained, p.Name)
		}
		return files, nil
	}
	set, err := Inject(model, method, seed)
	if err != nil {
		return files, err
	}
	if set.Maps[0].Factor("W") != nil { // the weights themselves
		for _, m := range set.Maps {
			files.Trained = append(files.Trained, m.Name+".weight")
		}
		return files, nil
	}
	if a, _ := set.Maps[0].Start(); a != nil {
		files.Base = filepath.Join(dir, "base")
		if err := writeModel(files.Base, s, rest(model, set.Maps)); err != nil {
			return files, err
		}
		if set, err = plain(s, set, seed); err != nil {
			return files, err
		}
	}
	if _, ok := set.Method.Update.(update.LoRAFA); ok {
		files.Frozen = "lora_A"
	}
	files.Adapter = filepath.Join(dir, "adapter")
	return files, writeAdapter(files.Adapter, set)
}

// rest are the tensors of a model less what a start took out of them, which is
// how PEFT has such a base while it trains.
func rest(model nn.Model, maps []*adapter.Map) []pretrained.Tensor {
	left := map[string]*ag.Weight{}
	for _, m := range maps {
		left[m.Name+".weight"] = m.Base
	}
	tensors := pretrained.Tensors(model)
	for i := range tensors {
		if w := left[tensors[i].Name]; w != nil {
			tensors[i].Data = w.Floats()
		}
	}
	return tensors
}

// plain is plain LoRA with the factors of a set, on a base that is changed
// already.
func plain(s Shape, of *lora.Set, seed uint64) (*lora.Set, error) {
	model, err := s.Model(seed)
	if err != nil {
		return nil, err
	}
	set, err := Inject(model, "lora", seed)
	if err != nil {
		return nil, err
	}
	for i, m := range set.Maps {
		for _, f := range m.Factors {
			copy(f.Floats(), of.Maps[i].Factor(f.Name).Floats())
		}
	}
	return set, nil
}

func writeAdapter(dir string, set *lora.Set) error {
	config, weights, err := set.Files()
	if err != nil {
		return err
	}
	if schedule, ok := set.Method.Rank.(rank.AdaLoRA); ok {
		if config, err = scheduled(config, schedule); err != nil {
			return err
		}
	}
	put := func(name string, contents []byte) error {
		return write(filepath.Join(dir, name), func(w io.Writer) error { _, err := w.Write(contents); return err })
	}
	return errors.Join(put(lora.ConfigFile, config), put(lora.WeightsFile, weights))
}

// scheduled adds to an AdaLoRA's configuration how its ranks change: files of
// adapters do not tell.
func scheduled(config []byte, s rank.AdaLoRA) ([]byte, error) {
	var fields map[string]any
	if err := json.Unmarshal(config, &fields); err != nil {
		return nil, fmt.Errorf("step: %w", err)
	}
	for key, v := range map[string]any{
		"target_r": Rank, "total_step": planned, "tinit": int(s.Begin * planned), "tfinal": int(s.End * planned),
		"deltaT": s.Every, "beta1": s.Beta1, "beta2": s.Beta2,
	} {
		fields[key] = v
	}
	return json.Marshal(fields)
}

func write(path string, contents func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(contents(f), f.Close())
}
