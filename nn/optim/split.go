package optim

// Split applies Then to the parameters with the given roles, jointly, and Rest
// to all others. Of a group that has not all of the roles, everything goes by
// Rest.
type Split struct {
	Roles []string
	Then  Transform
	Rest  Transform
}

// Init makes the states of both parts.
func (t Split) Init(g *Group) State {
	part := &Group{Name: g.Name, Scaling: g.Scaling}
	for _, role := range t.Roles {
		p := g.Role(role)
		if p == nil {
			return t.Rest.Init(g)
		}
		part.Params = append(part.Params, p)
	}
	rest := g.Without(t.Roles...)
	return &splitState{part, rest, t.Then.Init(part), t.Rest.Init(rest)}
}

type splitState struct {
	part, rest   *Group
	then, others State
}

func (s *splitState) Prepare(_ *Group, c Clock) {
	prepare(s.then, s.part, c)
	prepare(s.others, s.rest, c)
}

func (s *splitState) Step(_ *Group, c Clock) {
	s.then.Step(s.part, c)
	s.others.Step(s.rest, c)
}

func (s *splitState) Buffers() []Buffer {
	return append(append([]Buffer(nil), s.then.Buffers()...), s.others.Buffers()...)
}
