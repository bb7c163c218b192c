package optim

import "fmt"

// A Chain applies its links in order: each sees the updates that the one
// before it left. The empty chain is plain gradient descent.
type Chain []Transform

// Init makes the states of all links.
func (c Chain) Init(g *Group) State {
	s := make(chainState, len(c))
	for i, t := range c {
		s[i] = t.Init(g)
	}
	return s
}

type chainState []State

func (s chainState) Prepare(g *Group, c Clock) {
	if len(s) > 0 {
		prepare(s[0], g, c)
	}
}

func (s chainState) Step(g *Group, c Clock) {
	for _, link := range s {
		link.Step(g, c)
	}
}

func (s chainState) prune(keep float64) {
	for _, link := range s {
		prune(link, keep)
	}
}

// Buffers are those of the links, prefixed by the link's place: "0.adam.m.…".
func (s chainState) Buffers() []Buffer {
	var all []Buffer
	for i, link := range s {
		for _, b := range link.Buffers() {
			all = append(all, Buffer{fmt.Sprintf("%d.%s", i, b.Name), b.Values})
		}
	}
	return all
}

// stateless is the State of a transform that remembers nothing.
type stateless func(g *Group, c Clock)

func (f stateless) Step(g *Group, c Clock) { f(g, c) }
func (stateless) Buffers() []Buffer        { return nil }
