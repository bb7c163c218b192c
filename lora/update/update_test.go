package update

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn/optim"
)

func equal(t *testing.T, what string, a, b mat.Matrix) {
	t.Helper()
	if !mat.Equal(a, b) {
		t.Errorf("%s: not equal bit for bit", what)
	}
}

func TestLoRAPlus(t *testing.T) {
	p := newProblem(32, 24, 4, "random", 2)
	a, b := p.step(AdamW{}.Transform(0.1))
	a1, b1 := p.step(LoRAPlus{Ratio: 1}.Transform(0.1))
	equal(t, "ratio 1: A", a1, a)
	equal(t, "ratio 1: B", b1, b)
	a16, b16 := p.step(LoRAPlus{Ratio: 16}.Transform(0.1))
	equal(t, "ratio 16: A", a16, a)
	equal(t, "ratio 16: B", b16, scaled(16, b)) // a power of two: exact
	for _, bad := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if (LoRAPlus{Ratio: bad}).Check() == nil {
			t.Errorf("a ratio of %v is accepted", bad)
		}
	}
}

// The projected gradient of B changes the weight by G·P_A.
func TestLoRAFAProjection(t *testing.T) {
	each(t, func(t *testing.T, p *problem) {
		_, gb := p.step(RowProjection{})
		got := scaled(p.s, mul(gb, p.a))
		near(t, "s·gB'·A", got, mul(p.g, projector(p.a.T())), mat.Norm(p.g, 2))
	})
}

func TestLoRAFAKeepsA(t *testing.T) {
	for _, project := range []bool{false, true} {
		p := newProblem(32, 24, 4, "random", 9)
		g := p.group()
		a, b := g.Role("A").Value, g.Role("B").Value
		a.SetRequiresGrad(false)
		start, startB := floats(p.a), floats(p.b)
		o := optim.New(LoRAFA{Project: project}.Transform(0.5), []*optim.Group{g})
		for range 3 {
			o.Step(0.1)
		}
		for i, v := range a.Floats() {
			if math.Float32bits(v) != math.Float32bits(start[i]) {
				t.Fatalf("project %v: A[%d] went from %v to %v", project, i, start[i], v)
			}
		}
		if b.Floats()[0] == startB[0] {
			t.Errorf("project %v: B has not moved", project)
		}
		for _, s := range []string{"adam.m.map.A", "adam.v.map.A"} {
			if _, buffers := o.Save(); buffers["map/0."+s] != nil {
				t.Errorf("project %v: moments %s are kept of a frozen factor", project, s)
			}
		}
	}
}

// What is no pair goes by AdamW, also beside a pair.
func TestProOthers(t *testing.T) {
	param := func(name string) *optim.Param {
		v := ag.NewParameter(1, 3, []float32{1, 2, 3})
		ag.Accumulate(v, func(g []float32, _ bool) { copy(g, []float32{-1, 0.5, 2}) })
		return &optim.Param{Name: name, Role: name, Value: v}
	}
	alone, beside := param("bias"), param("M")
	reference := param("reference")
	pair := newProblem(8, 6, 2, "random", 1).group()
	pair.Params = append(pair.Params, beside)
	groups := []*optim.Group{{Name: "alone", Scaling: 1, Params: []*optim.Param{alone}}, pair}
	o := optim.New(LoRAPro{}.Transform(0.1), groups)
	w := optim.New(AdamW{}.Transform(0.1), []*optim.Group{{Name: "r", Params: []*optim.Param{reference}}})
	for range 3 {
		o.Step(0.1)
		w.Step(0.1)
	}
	for i, v := range reference.Value.Floats() {
		if alone.Value.Floats()[i] != v || beside.Value.Floats()[i] != v {
			t.Errorf("value %d is %v alone and %v beside a pair: must be AdamW's %v", i, alone.Value.Floats()[i], beside.Value.Floats()[i], v)
		}
	}
	if (LoRAPro{Form: 3}).Check() == nil {
		t.Error("form 3 is accepted")
	}
}
