package optim

// Partition applies Then to the parameters with the given roles, jointly, and Rest
// to all others. Of a group that has not all of the roles, everything goes by
// Rest.
type Partition struct {
	Roles []string
	Then  Transform
	Rest  Transform
}

// Init makes the states of both parts.
func (t Partition) Init(g *Group) State {
	part := &Group{Name: g.Name, Scaling: g.Scaling}
	for _, role := range t.Roles {
		p := g.Role(role)
		if p == nil {
			return t.Rest.Init(g)
		}
		part.Params = append(part.Params, p)
	}
	rest := g.Without(t.Roles...)
	return &partitionState{part, rest, t.Then.Init(part), t.Rest.Init(rest)}
}

type partitionState struct {
	part, rest   *Group
	then, others State
}

func (s *partitionState) Prepare(_ *Group, c Clock) {
	prepare(s.then, s.part, c)
	prepare(s.others, s.rest, c)
}

func (s *partitionState) Step(_ *Group, c Clock) {
	s.then.Step(s.part, c)
	s.others.Step(s.rest, c)
}

func (s *partitionState) Buffers() []Buffer {
	return append(append([]Buffer(nil), s.then.Buffers()...), s.others.Buffers()...)
}
