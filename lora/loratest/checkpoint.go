package loratest

import (
	"fmt"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
)

// checkpoint: steps whose activations are computed again are those that keep them,
// bit for bit: the losses, the factors, and what instruments look at.
func (s *suite) checkpoint() error {
	var trainers [2]*trainer
	for i := range trainers {
		model, set, err := s.inject()
		if err != nil {
			return err
		}
		if trainers[i], err = s.trainWith(model, set, i == 1); err != nil {
			return err
		}
	}
	kept, again := trainers[0], trainers[1]
	if kept.Bytes() <= again.Bytes() {
		return fmt.Errorf("a tape has %d bytes with its activations, %d without", kept.Bytes(), again.Bytes())
	}
	for step := 1; step <= 3; step++ {
		for _, t := range trainers {
			if err := t.steps(step, step); err != nil {
				return err
			}
		}
		if err := equal("loss", ag.Floats(again.loss), ag.Floats(kept.loss)); err != nil {
			return err
		}
		for i, m := range kept.set.Maps {
			if err := sameMap(again.set.Maps[i], m); err != nil {
				return fmt.Errorf("step %d: %w", step, err)
			}
		}
	}
	return nil
}

// sameMap compares what can be seen of two maps.
func sameMap(got, want *adapter.Map) error {
	for i, f := range want.Factors {
		if err := equal(want.Name+"."+f.Name, got.Factors[i].Floats(), f.Floats()); err != nil {
			return err
		}
		if err := equal("the gradient of "+want.Name+"."+f.Name, got.Factors[i].GradFloats(), f.GradFloats()); err != nil {
			return err
		}
	}
	tensors := func(m *adapter.Map) []ag.Tensor {
		f := m.Form()
		return []ag.Tensor{f.A, f.B, f.Gain, f.W, f.Shift, m.Gates()}
	}
	for i, x := range tensors(want) {
		if x == nil {
			continue
		}
		if err := equal(fmt.Sprintf("%s, tensor %d of the form", want.Name, i), ag.Floats(tensors(got)[i]), ag.Floats(x)); err != nil {
			return err
		}
	}
	return nil
}
