package probe

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/update"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/optim"
)

// newStudent is a linear student of a teacher whose weight is the student's own
// and a change of rank 2: the loss is the mean square of the errors.
func newStudent(m *adapter.Map) *run {
	rng := rand.New(rand.NewPCG(12, 1))
	r := &run{m: m, tape: ag.NewTape(), x: ag.NewVariable(tokens, m.In, nil)}
	fill(r.x.Floats(), 1, rng)
	b, a := mat.NewDense(m.Out, 2, nil), mat.NewDense(2, m.In, nil)
	for _, d := range []*mat.Dense{a, b} {
		for i := range d.RawMatrix().Data {
			d.RawMatrix().Data[i] = rng.NormFloat64() / 2
		}
	}
	teacher := plus(dense(m.Out, m.In, m.W0()), product(1, b, a))
	y := product(1, dense(tokens, m.In, r.x.Floats()), teacher.T())
	targets := make([]float32, tokens*m.Out)
	for i, v := range y.RawMatrix().Data {
		targets[i] = float32(v)
	}
	r.loss = r.tape.Run(ag.NewMeanSquare(m.Forward(&nn.Context{Tape: r.tape, Batch: 1, Tokens: tokens}, r.x), targets))
	return r
}

// train takes steps by a rule, and returns what the probe has of the last one.
func (r *run) train(t *testing.T, u adapter.Update, lr float64, steps int) (map[string]float64, *Probe) {
	t.Helper()
	g := &optim.Group{Name: "lin", Scaling: r.m.Scaling}
	for _, f := range r.m.Factors {
		g.Params = append(g.Params, &optim.Param{Name: f.Name, Role: f.Name, Value: f.Variable})
	}
	o := optim.New(u.Transform(0), []*optim.Group{g})
	p := New([]*adapter.Map{r.m})
	r.lend(p)
	var v map[string]float64
	for step := 1; step <= steps; step++ {
		r.backward()
		p.Before(step)
		o.Step(lr)
		rows, err := p.After(step, Tier0|Tier1)
		if err != nil {
			t.Fatal(err)
		}
		v = values(rows)
	}
	return v, p
}

// Gradient flow leaves BᵀB − A·Aᵀ as it is: over one length of time the drift of
// gradient descent falls with the step, to a tenth for a tenth.
func TestBalanceIsConserved(t *testing.T) {
	drift := map[int]float64{}
	for _, steps := range []int{20, 200} {
		m := newMap(t, delta.LoRA{}, nil, 32, 24, 3)
		for _, f := range m.Factors {
			for i := range f.Floats() {
				f.Floats()[i] *= 0.3
			}
		}
		v, _ := newStudent(m).train(t, update.SGD{}, 0.4/float64(steps), steps)
		drift[steps] = v["balance_drift"]
		if moved := v["displacement"]; moved < 0.05 {
			t.Fatalf("the student has moved by %v: there is nothing to see", moved)
		}
	}
	if ratio := drift[20] / drift[200]; ratio < 7 || ratio > 14 {
		t.Errorf("the balance drifts by %v in 20 steps and %v in 200: want ten times less", drift[20], drift[200])
	}
	m := newMap(t, delta.LoRA{}, nil, 32, 24, 3)
	if v, _ := newStudent(m).train(t, update.LoRAPlus{Ratio: 16}, 1e-4, 20); v["balance_drift"] < 10*drift[200] {
		t.Errorf("with unequal rates the balance drifts by %v", v["balance_drift"])
	}
}

// Steps of LoRA-Pro go where the gradient does, as far as the rank permits.
func TestAlignmentOfLoRAPro(t *testing.T) {
	for _, c := range []struct {
		rule adapter.Update
		best bool
	}{{update.LoRAPro{Form: update.Gradient}, true}, {update.SGD{}, false}} {
		v, _ := newStudent(newMap(t, delta.LoRA{}, nil, 32, 24, 3)).train(t, c.rule, 1e-2, 3)
		if best := math.Abs(v["update_alignment"]-1) < 1e-3; best != c.best {
			t.Errorf("%T: the step's alignment is %v", c.rule, v["update_alignment"])
		}
	}
}

// A method that does not know its gauge takes the weight the same way from
// (B·M⁻¹, M·A); others do not.
func TestTrajectoriesOfGauges(t *testing.T) {
	path := func(u adapter.Update, turned bool) []float64 {
		m := newMap(t, delta.LoRA{}, nil, 32, 24, 2)
		if turned { // by a rotation and a stretch
			a, b := m.Factor("A").Floats(), m.Factor("B").Floats()
			for j := range 24 {
				x, y := a[j], a[24+j]
				a[j], a[24+j] = 2*x+y, y-x
			}
			for i := range 32 { // by its inverse, (1 −1; 1 2)/3
				x, y := b[2*i], b[2*i+1]
				b[2*i], b[2*i+1] = (x+y)/3, (2*y-x)/3
			}
		}
		var all []float64
		v, _ := newStudent(m).train(t, u, 1e-2, 5)
		for _, name := range []string{"path_length", "displacement", "frobenius_norm", "effective_rank", "update_cosine"} {
			all = append(all, v[name])
		}
		return all
	}
	for _, c := range []struct {
		rule      adapter.Update
		invariant bool
	}{
		{update.LoRAPro{Form: update.Gradient}, true}, {update.ScaledGD{Damping: 1e-9}, true},
		{update.SGD{}, false}, {update.LoRAPlus{Ratio: 4}, false}, {update.AdamW{}, false},
	} {
		one, other := path(c.rule, false), path(c.rule, true)
		same := true
		for i, v := range one {
			same = same && math.Abs(v-other[i]) < 2e-3*max(math.Abs(v), 1e-3)
		}
		if same != c.invariant {
			t.Errorf("%T: in two gauges the weight goes by %v and %v: invariant must be %v", c.rule, one, other, c.invariant)
		}
	}
}
