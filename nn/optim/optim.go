// Package optim updates parameters by chains of small transformations, in the
// manner of optax. A [Group] is the tensors that are updated jointly: one
// weight, or all trained factors of an adapter. A [Transform] makes for each
// group a [State], which rewrites the group's updates in place; a method is a
// [Chain] of them, and [Optimizer] subtracts the learning rate times what
// comes out.
package optim

import (
	"fmt"
	"maps"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
)

// A Param is a trained tensor with its update. Update starts each step as a
// copy of the gradient; what it holds after the last link, times the learning
// rate, is subtracted from the value.
type Param struct {
	Name   string // unique in the model
	Role   string // the factor's name within its adapter: "A", "B", …; "" for a plain weight
	Value  *ag.Variable
	Update []float32
}

// A Group is the tensors that are updated jointly.
type Group struct {
	Name    string
	Scaling float32 // s of an adapter, 1 otherwise
	Params  []*Param
}

// Role returns the parameter with that role, or nil.
func (g *Group) Role(role string) *Param {
	for _, p := range g.Params {
		if p.Role == role {
			return p
		}
	}
	return nil
}

// A Clock tells a step what time it is.
type Clock struct {
	Step  int     // 1 for the first step
	Phase int     // the first step of the present phase: 1 until training begins anew
	LR    float64 // the schedule's learning rate at this step
}

// A Transform makes the State of a group.
type Transform interface {
	Init(g *Group) State
}

// A State rewrites the updates of its group, and remembers what it needs. States of
// several groups step side by side: what they share they only read then.
type State interface {
	Step(g *Group, c Clock)
	// Buffers are what a checkpoint must keep for the next step to come out
	// the same, in a fixed order; they are read and written in place.
	Buffers() []Buffer
}

// A Preparer is a State that looks at the updates of its group before those of any
// group are rewritten, for what is of all groups together: each leaves there what is
// its own, as they look side by side. A Chain hands it to its
// first link, a Partition to both parts.
type Preparer interface {
	Prepare(g *Group, c Clock)
}

// prepare has a State look, if it does.
func prepare(s State, g *Group, c Clock) {
	if p, ok := s.(Preparer); ok {
		p.Prepare(g, c)
	}
}

// A Buffer is a named part of a State.
type Buffer struct {
	Name   string
	Values []float32
}

// An Optimizer applies one transform to many groups.
type Optimizer struct {
	// Phase is the first step of the present phase, 0 or 1 of the first: what a
	// rule that begins anew with it goes by ([Restart]). Whoever calls Step keeps
	// it right; it is not saved.
	Phase int

	groups []*Group
	states []State
	step   int

	clock             Clock       // of the step that is being taken
	preparing, moving func(i int) // of a group
}

// New returns an optimizer that has taken no step.
func New(t Transform, groups []*Group) *Optimizer {
	o := &Optimizer{groups: groups}
	o.preparing, o.moving = o.prepare, o.move
	for _, g := range groups {
		for _, p := range g.Params {
			p.Update = make([]float32, len(p.Value.Floats()))
		}
		o.states = append(o.states, t.Init(g))
	}
	return o
}

// Groups returns the groups in their fixed order.
func (o *Optimizer) Groups() []*Group { return o.groups }

// Step updates every parameter that has a gradient with the learning rate lr;
// one without keeps a zero gradient, so that the states go on in step.
func (o *Optimizer) Step(lr float64) {
	o.step++
	o.clock = Clock{Step: o.step, Phase: max(o.Phase, 1), LR: lr}
	kernels.Parallel(len(o.groups), o.preparing)
	kernels.Parallel(len(o.groups), o.moving)
}

// prepare takes the gradients of a group as its updates.
func (o *Optimizer) prepare(i int) {
	g := o.groups[i]
	for _, p := range g.Params {
		if grad := p.Value.GradFloats(); grad != nil {
			copy(p.Update, grad)
		} else {
			clear(p.Update)
		}
	}
	prepare(o.states[i], g, o.clock)
}

// move rewrites the updates of a group and takes them.
func (o *Optimizer) move(i int) {
	g := o.groups[i]
	o.states[i].Step(g, o.clock)
	for _, p := range g.Params {
		kernels.Axpy(float32(-o.clock.LR), p.Update, p.Value.Floats())
	}
}

// ZeroGrad forgets all gradients.
func (o *Optimizer) ZeroGrad() {
	for _, g := range o.groups {
		for _, p := range g.Params {
			p.Value.ZeroGrad()
		}
	}
}

// Save returns the number of steps taken and a copy of every buffer under a
// unique name: group/buffer.
func (o *Optimizer) Save() (step int, buffers map[string][]float32) {
	buffers = map[string][]float32{}
	o.each(func(name string, v []float32) { buffers[name] = append([]float32(nil), v...) })
	return o.step, buffers
}

// Load restores what Save returned. On an error nothing has changed.
func (o *Optimizer) Load(step int, buffers map[string][]float32) error {
	if step < 0 {
		return fmt.Errorf("optim: the checkpoint is at step %d: must be at least 0", step)
	}
	var err error
	known := map[string]bool{}
	o.each(func(name string, v []float32) {
		known[name] = true
		b, ok := buffers[name]
		switch {
		case err != nil:
		case !ok:
			err = fmt.Errorf("optim: the checkpoint has no %s", name)
		case len(b) != len(v):
			err = fmt.Errorf("optim: %s has %d values, the checkpoint %d", name, len(v), len(b))
		}
	})
	for _, name := range slices.Sorted(maps.Keys(buffers)) {
		if err == nil && !known[name] {
			err = fmt.Errorf("optim: the checkpoint has %s, which this optimizer has not", name)
		}
	}
	if err != nil {
		return err
	}
	o.each(func(name string, v []float32) { copy(v, buffers[name]) })
	o.step = step
	return nil
}

func (o *Optimizer) each(f func(name string, v []float32)) {
	for i, g := range o.groups {
		for _, b := range o.states[i].Buffers() {
			f(g.Name+"/"+b.Name, b.Values)
		}
	}
}
