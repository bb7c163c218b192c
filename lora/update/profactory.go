package update

import "github.com/lowrank/lowrank/nn/optim"

// factoryAdam is AdamW as LoRAFactory's LoRA-Pro runs it: all B share one count
// of steps, which grows by one for each map in a step, so that B of map l of L is
// corrected for bias as if the step t were (t-1)·L + l.
type factoryAdam struct {
	optim.Adam
	maps *int // so far
}

func (t factoryAdam) Init(g *optim.Group) optim.State {
	if g.Role("B") == nil {
		return t.Adam.Init(g)
	}
	*t.maps++
	return optim.Partition{Roles: []string{"B"}, Then: counted{t.Adam, *t.maps, t.maps}, Rest: t.Adam}.Init(g)
}

// counted is Adam with that count.
type counted struct {
	optim.Adam
	place int
	maps  *int
}

func (t counted) Init(g *optim.Group) optim.State {
	return &countedState{t.Adam.Init(g), t.place, t.maps}
}

type countedState struct {
	optim.State
	place int
	maps  *int
}

func (s *countedState) Step(g *optim.Group, c optim.Clock) {
	c.Step = (c.Step-1)**s.maps + s.place
	s.State.Step(g, c)
}
