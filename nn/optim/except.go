package optim

import "slices"

// Without returns the group of the parameters that have none of the roles.
func (g *Group) Without(roles ...string) *Group {
	rest := &Group{Name: g.Name, Scaling: g.Scaling}
	for _, p := range g.Params {
		if !slices.Contains(roles, p.Role) {
			rest.Params = append(rest.Params, p)
		}
	}
	return rest
}

// Except applies a transform to all parameters of a group but those with a
// role, whose updates become zero: they stay as they are, and no memory is
// kept of them.
type Except struct {
	Role string
	Then Transform
}

// Init makes the state of the others.
func (t Except) Init(g *Group) State {
	s := &exceptState{role: t.Role, rest: g.Without(t.Role)}
	s.State = t.Then.Init(s.rest)
	return s
}

type exceptState struct {
	State
	role string
	rest *Group
}

func (s *exceptState) Step(g *Group, c Clock) {
	for _, p := range g.Params {
		if p.Role == s.role {
			clear(p.Update)
		}
	}
	s.State.Step(s.rest, c)
}
