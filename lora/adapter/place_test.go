package adapter_test

import (
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

// Of several graphs that a map stands in, it shows the one that ran last, and none that
// is aside.
func TestTheGraphThatRanLast(t *testing.T) {
	m := filled(t, nn.Dense)
	if x, y, _, uses := m.Product(); x != nil || y != nil || uses != 0 || m.Form().A != nil || m.Padded(0, 1) {
		t.Error("there is something before there is a graph")
	}
	type graph struct {
		*nn.Context
		x, y ag.Tensor
		uses int
	}
	build := func(batch, tokens, uses int, aside bool) *graph {
		c := &nn.Context{Tape: ag.NewTape(), Batch: batch, Tokens: tokens, End: make([]int, batch), Aside: aside}
		for i := range c.End {
			c.End[i] = 1
		}
		g := &graph{Context: c, x: ag.NewVariable(batch*tokens, 5, nil), uses: uses}
		for range uses {
			g.y = m.Forward(c, g.x)
		}
		return g
	}
	shows := func(what string, g *graph) {
		t.Helper()
		if x, y, _, uses := m.Product(); x != g.x || y != g.y || uses != g.uses {
			t.Errorf("%s: it shows another graph", what)
		}
		for i := range g.Batch * g.Tokens {
			if have := m.Padded(i, g.Batch*g.Tokens); have != (i%g.Tokens > 0) {
				t.Errorf("%s: row %d is padding: %t", what, i, have)
			}
		}
		if m.Padded(1, g.Batch*g.Tokens+1) {
			t.Errorf("%s: a row of what has no rows for tokens is padding", what)
		}
	}
	one := build(2, 3, 1, false)
	shows("built", one)
	two := build(1, 4, 2, false)
	shows("built after it", two)
	build(3, 2, 1, true)
	shows("with one aside", two)
	one.Replay()
	shows("run again", one)
	two.Replay()
	shows("run after it", two)
}
