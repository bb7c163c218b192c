package loratest

import (
	"math"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
)

func preserved(m lora.Method) error {
	r, err := small(8).regress(m, nil)
	if err != nil {
		return err
	}
	plain, loss, _ := small(8).build(unadapted(r))
	plain.Replay()
	have, want := ag.Floats(r.loss)[0], ag.Floats(loss)[0]
	if d := math.Abs(float64(have - want)); !(d <= 1e-5*float64(want)) { // float32 sums in another order
		return errorf("the loss at the start is %v, the base's %v", have, want)
	}
	return nil
}

// descends: <ΔW, G> is below zero at the start, and so the loss falls at first
// along ΔW.
func descends(m lora.Method) error {
	s := small(8)
	r, err := s.regress(m, nil)
	if err != nil {
		return err
	}
	w, err := r.weight()
	if err != nil {
		return err
	}
	base := unadapted(r).Linear
	w0 := slices.Clone(base.W.Floats())
	along := func(t float64) float64 {
		for i := range w0 {
			base.W.Floats()[i] = float32(float64(w0[i]) + t*(w.At(i/s.in, i%s.in)-float64(w0[i])))
		}
		base.Repack()
		_, loss, _ := s.build(one{base})
		return float64(ag.Floats(loss)[0])
	}
	if at, next := along(0), along(1e-2); !(next < at) {
		return errorf("a hundredth of the start takes the loss from %v to %v", at, next)
	}
	return nil
}
