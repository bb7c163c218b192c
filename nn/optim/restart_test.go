package optim_test

import (
	"testing"

	"github.com/lowrank/lowrank/nn/optim"
)

// restarted returns the updates and buffers of each of eight steps with gradients 1, 2, …, n
// times the step, in phases of three steps.
func restarted(rule optim.Transform, n int) (all [][]float32, buffers []map[string][]float32) {
	g := group("g", make([]float32, n))
	o := optim.New(rule, []*optim.Group{g})
	for step := 1; step <= 8; step++ {
		grad := make([]float32, n)
		for i := range grad {
			grad[i] = float32(step * (i + 1))
		}
		setGrad(g.Params[0], grad...)
		o.Phase = (step-1)/3*3 + 1
		o.Step(0)
		all = append(all, append([]float32(nil), g.Params[0].Update...))
		_, b := o.Save()
		buffers = append(buffers, b)
	}
	return all, buffers
}

func TestRestart(t *testing.T) {
	const n = 100
	momentum := optim.Momentum{Mu: 0.5}
	plain, _ := restarted(momentum, n)

	// What keeps all and does not warm up changes nothing.
	all, _ := restarted(optim.Restart{Then: momentum, Keep: 1}, n)
	for step := range plain {
		for i, x := range plain[step] {
			if all[step][i] != x {
				t.Fatalf("keep 1: step %d: update %d is %v, want %v", step+1, i, all[step][i], x)
			}
		}
	}

	// Phases start at the steps 4 and 7: of the momentum a part survives, the
	// largest, and two steps are smaller.
	for _, c := range []struct {
		keep     float64
		survives int
	}{{0, 0}, {0.02, 2}, {0.011, 2}, {0.5, 50}} {
		some, buffers := restarted(optim.Restart{Then: momentum, Warmup: 2, Keep: c.keep}, n)
		m := make([]float32, n)
		for step := 1; step <= 8; step++ {
			size := float32(1)
			switch step {
			case 4, 7:
				clear(m[:n-c.survives])
				size = 1. / 3
			case 5, 8:
				size = 2. / 3
			}
			for i := range m {
				m[i] = 0.5*m[i] + float32(step*(i+1))
				if some[step-1][i] != size*m[i] || buffers[step-1]["g/momentum.p0"][i] != m[i] {
					t.Fatalf("keep %v: step %d: update %d is %v, want %v", c.keep, step, i, some[step-1][i], size*m[i])
				}
			}
		}
	}
}

// Adam's moments of an entry survive together: those of the largest first moment.
func TestRestartOfAdam(t *testing.T) {
	const n = 50
	_, all := restarted(optim.Restart{Then: optim.AdamW(0), Keep: 0.1}, n)
	before, after := all[2], all[3] // the fourth step begins a phase
	for i := range n {
		grad := float32(4 * (i + 1))
		wantM, wantV := 0.1*grad, 0.001*grad*grad
		if i >= n-5 {
			wantM += 0.9 * before["g/0.adam.m.p0"][i]
			wantV += 0.999 * before["g/0.adam.v.p0"][i]
		}
		m, v := after["g/0.adam.m.p0"][i], after["g/0.adam.v.p0"][i]
		if d := max(m/wantM, wantM/m, v/wantV, wantV/v); !(d < 1+1e-5) {
			t.Errorf("entry %d: moments %v and %v, want %v and %v", i, m, v, wantM, wantV)
		}
	}
}

// TestSplitAndExcept: each part sees its own, and a group that lacks a role is
// not split.
func TestSplitAndExcept(t *testing.T) {
	double, triple := optim.ScaleRole{Role: "A", Factor: 2}, optim.ScaleRole{Role: "B", Factor: 3}
	step := func(rule optim.Transform, g *optim.Group) []float32 {
		o := optim.New(rule, []*optim.Group{g})
		for _, p := range g.Params {
			setGrad(p, 1)
		}
		o.Step(0)
		var u []float32
		for _, p := range g.Params {
			u = append(u, p.Update[0])
		}
		return u
	}
	three := func() *optim.Group { return group("g", []float32{1}, []float32{1}, []float32{1}) } // A, B, C
	for _, c := range []struct {
		rule optim.Transform
		g    *optim.Group
		want []float32
	}{
		{optim.Partition{Roles: []string{"C", "A"}, Then: optim.Chain{double, triple}, Rest: optim.Chain{double, triple, triple}}, three(), []float32{2, 9, 1}},
		{optim.Partition{Roles: []string{"D", "A"}, Then: double, Rest: triple}, three(), []float32{1, 3, 1}},
		{optim.Except{Role: "A", Then: optim.Chain{double, triple}}, three(), []float32{0, 3, 1}},
		{optim.Except{Role: "D", Then: optim.Chain{double, triple}}, three(), []float32{2, 3, 1}},
	} {
		u := step(c.rule, c.g)
		for i, x := range c.want {
			if u[i] != x {
				t.Errorf("%+v: updates %v, want %v", c.rule, u, c.want)
				break
			}
		}
	}
	_, buffers := optim.New(optim.Except{Role: "A", Then: optim.AdamW(0)}, []*optim.Group{three()}).Save()
	if buffers["g/0.adam.m.p0"] != nil || buffers["g/0.adam.m.p1"] == nil {
		t.Errorf("a parameter that stays has moments, or one that moves has none: %v", buffers)
	}
	parts := optim.Partition{Roles: []string{"A", "B"}, Then: optim.Momentum{Mu: 0.5}, Rest: optim.AdamW(0)}
	_, buffers = optim.New(parts, []*optim.Group{three()}).Save()
	if len(buffers) != 4 || buffers["g/momentum.p1"] == nil || buffers["g/0.adam.v.p2"] == nil {
		t.Errorf("the buffers of a partition are %v", buffers)
	}
}

// A looker is a rule that steps by what it saw when it looked.
type looker struct{ seen float32 }

func (l *looker) Init(*optim.Group) optim.State         { return l }
func (l *looker) Buffers() []optim.Buffer               { return nil }
func (l *looker) Prepare(g *optim.Group, _ optim.Clock) { l.seen = 10 * g.Params[0].Update[0] }
func (l *looker) Step(g *optim.Group, _ optim.Clock)    { g.Params[0].Update[0] = l.seen }

// A rule that begins anew looks ahead as it does alone.
func TestRestartPrepares(t *testing.T) {
	all, _ := restarted(optim.Restart{Then: &looker{}, Keep: 1}, 1)
	for i, updates := range all {
		if want := 10 * float32(i+1); updates[0] != want {
			t.Errorf("step %d: the update is %v, want %v", i+1, updates[0], want)
		}
	}
}
