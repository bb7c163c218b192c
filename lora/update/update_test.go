package update

import (
	"fmt"
	"math"
	"strings"
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

// PEFT's convention: vectors go with B, and all decays but biases and norms.
func TestLoRAPlusPEFT(t *testing.T) {
	const decay, ratio = 0.5, 16
	var params []*optim.Param
	for _, s := range []struct {
		role       string
		rows, cols int
	}{{"A", 2, 3}, {"A1", 1, 3}, {"B", 3, 2}, {"E", 2, 1}, {"M", 1, 3}, {"shift", 1, 3}, {"W", 1, 3}, {"", 1, 3}, {"", 2, 2}} {
		v := ag.NewParameter(s.rows, s.cols, nil)
		for i := range v.Floats() {
			v.Floats()[i] = 1
		}
		params = append(params, &optim.Param{Name: fmt.Sprint(len(params)), Role: strings.TrimSuffix(s.role, "1"), Value: v})
	}
	u := LoRAPlus{Ratio: ratio, PEFT: true}
	o := optim.New(u.Transform(decay), []*optim.Group{{Name: "g", Params: params}})
	for _, p := range params {
		ag.Accumulate(p.Value, func(g []float32, _ bool) {
			for i := range g {
				g[i] = 1 // of which Adam's first step makes 1
			}
		})
	}
	o.Step(0)
	for i, want := range []float64{1 + decay, 1 + decay, (1 + decay) * ratio, 1 + decay, (1 + decay) * ratio, ratio, 1 + decay, ratio, 1 + decay} {
		for _, x := range params[i].Update {
			if math.Abs(float64(x)-want) > 1e-5 {
				t.Errorf("parameter %d, role %q: update %v, want %v", i, params[i].Role, x, want)
			}
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
		_, buffers := o.Save()
		for name := range buffers {
			if strings.HasSuffix(name, "map.A") {
				t.Errorf("project %v: %s is kept of a frozen factor", project, name)
			}
		}
		if len(buffers) != 2 {
			t.Errorf("project %v: %d buffers are kept of one factor", project, len(buffers))
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
