package verify

import (
	"fmt"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/nn"
)

// runStart compares how a method starts on the recorded base: what follows from
// the base, value by value; what is drawn, by its law.
func runStart(r *rows, rec *recording) {
	t, err := rec.open(startExt)
	if err != nil {
		r.fail("", err)
		return
	}
	weight, bias := rec.base()
	m, err := rec.openModule(t, []string{weight}, []string{bias})
	if err != nil {
		r.refuse("init", err)
		return
	}
	s := &start{rows: r, recording: rec, module: m, tensors: t}
	if s.method, s.opt, err = rec.method(m); err != nil {
		r.refuse("init", err)
		return
	}
	if err := s.calibrate(); err != nil {
		r.fail("init", err)
		return
	}
	s.compare()
	t[0].rest(r)
}

// A start is a module that is adapted anew.
type start struct {
	*rows
	*recording
	*module
	tensors tensors
	method  lora.Method
	opt     lora.Options
	moments lora.Moments // of the recorded calibration, if there was one
	set     *lora.Set
	parts   []part
}

// inject starts from a seed, in the place of the start before.
func (s *start) inject(seed uint64) (err error) {
	if s.set != nil {
		s.set.Remove()
	}
	s.opt.Seed = seed
	if s.set, err = lora.Inject(s.module, s.method, s.opt); err != nil {
		return err
	}
	s.parts, err = partsOf(s.set)
	return err
}

func (s *start) compare() {
	if err := s.inject(1); err != nil {
		s.unsupported("init", err.Error())
		return
	}
	y := s.forward(&nn.Context{Tape: ag.NewTape()})
	s.tensors.near(s.rows, "y_init", ag.Floats(y), s.out, Values)
	base := "init." + layerName + ".base_layer."
	m := s.set.Maps[0]
	if name := base + "bias"; s.lin.Bias != nil && s.tensors.has(name) {
		s.tensors.near(s.rows, name, s.lin.Bias.Floats(), []int{m.Out}, Tolerance{})
	}
	if name := "init." + layerName + ".ranknum." + adapterName; s.tensors.has(name) {
		s.tensors.near(s.rows, name, []float32{float32(m.Rank)}, []int{1}, Tolerance{})
	}
	switch s.method.Initial.(type) {
	case initial.Principal:
		s.principal()
		return
	case initial.Minor, initial.Oriented, initial.Gradient:
		s.components()
		return
	case initial.Truncate:
		s.truncated()
		return
	}
	if a, _ := m.Start(); a != nil {
		s.offset()
		return
	}
	if name := base + "weight"; s.tensors.has(name) {
		s.tensors.near(s.rows, name, s.stored(m.Base.Floats()), s.w, Tolerance{})
	}
	s.laws()
}

// value returns a recorded part, or reports what is wrong with it.
func (s *start) value(p part) (name string, x []float32, ok bool) {
	name = s.tensors.first(p.under("init")...)
	x, err := s.tensors.shaped(name, p.shape)
	if err != nil {
		s.fail(name, err)
	}
	return name, x, err == nil
}

// factors returns those parts that are the factors A and B of the map.
func (s *start) factors() (a, b part, err error) {
	m := s.set.Maps[0]
	is := func(factor string) part {
		i := slices.IndexFunc(s.parts, func(p part) bool { f := m.Factor(factor); return f != nil && f.Variable == p.Variable })
		if i < 0 {
			err = fmt.Errorf("the method has no factor %s", factor)
			return part{}
		}
		return s.parts[i]
	}
	return is("A"), is("B"), err
}
