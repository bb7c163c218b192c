package optim_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn/optim"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// A run is what PyTorch recorded of 20 steps: lin2(tanh(lin1(x))) with both
// maps under LoRA, rank 4 and scaling 2, and the mean squared error.
type run struct {
	Hyper struct {
		LR          float64
		Momentum    float64
		Ratio       float64 `json:"loraplus_lr_ratio"`
		WeightDecay float64 `json:"weight_decay"`
		RatioDecay  float64 `json:"loraplus_weight_decay"`
	}
	Losses  []float64
	tensors *pretrained.Safetensors
}

func readRun(t *testing.T, name string) *run {
	t.Helper()
	b, err := os.ReadFile("testdata/optim_" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	r := new(run)
	if err := json.Unmarshal(b, r); err != nil {
		t.Fatal(err)
	}
	if r.tensors, err = pretrained.ReadSafetensors("testdata/optim_" + name + ".safetensors"); err != nil {
		t.Fatal(err)
	}
	return r
}

// matrix is a float64 matrix: what this net needs, no more, and nothing of
// the packages under test.
type matrix struct {
	rows, cols int
	v          []float64
}

func zeros(rows, cols int) matrix { return matrix{rows, cols, make([]float64, rows*cols)} }

func (r *run) matrix(t *testing.T, name string) matrix {
	t.Helper()
	x, err := r.tensors.Tensor(name)
	if err != nil {
		t.Fatal(err)
	}
	rows := 1
	if len(x.Shape) == 2 {
		rows = x.Shape[0]
	}
	return float64s(rows, len(x.Data)/rows, x.Data)
}

func float64s(rows, cols int, data []float32) matrix {
	m := zeros(rows, cols)
	for i, x := range data {
		m.v[i] = float64(x)
	}
	return m
}

// mul is s·a·b with either transposed.
func mul(s float64, a matrix, at bool, b matrix, bt bool) matrix {
	m, k, n := a.rows, a.cols, b.cols
	if at {
		m, k = k, m
	}
	if bt {
		n = b.rows
	}
	c := zeros(m, n)
	for i := range m {
		for j := range n {
			for p := range k {
				x, y := a.v, b.v
				ai, bi := i*a.cols+p, p*b.cols+j
				if at {
					ai = p*a.cols + i
				}
				if bt {
					bi = j*b.cols + p
				}
				c.v[i*n+j] += s * x[ai] * y[bi]
			}
		}
	}
	return c
}

func (a matrix) plus(b matrix) matrix {
	c := zeros(a.rows, a.cols)
	for i := range c.v {
		c.v[i] = a.v[i] + b.v[i]
	}
	return c
}

// net is the recorded one.
type net struct {
	x, target       matrix
	w, b            [2]matrix
	factors         [4]*optim.Param // A1, B1, A2, B2
	factorGradients [4]matrix
}

const scaling = 2

// loss computes the loss and the gradients of the factors in float64.
func (n *net) loss() float64 {
	var f [4]matrix
	for i, p := range n.factors {
		f[i] = float64s(p.Value.Rows(), p.Value.Cols(), p.Value.Floats())
	}
	lin := func(x matrix, l int) matrix {
		y := mul(1, x, false, n.w[l], true).plus(mul(scaling, mul(1, x, false, f[2*l], true), false, f[2*l+1], true))
		for i := range y.v {
			y.v[i] += n.b[l].v[i%y.cols]
		}
		return y
	}
	h := lin(n.x, 0)
	for i := range h.v {
		h.v[i] = math.Tanh(h.v[i])
	}
	dy, loss := lin(h, 1), 0.0
	for i := range dy.v {
		e := dy.v[i] - n.target.v[i]
		loss += e * e / float64(len(dy.v))
		dy.v[i] = 2 * e / float64(len(dy.v))
	}
	back := func(x, dy matrix, l int) (dx matrix) {
		v := mul(scaling, dy, false, f[2*l+1], false)
		n.factorGradients[2*l] = mul(1, v, true, x, false)
		n.factorGradients[2*l+1] = mul(scaling, dy, true, mul(1, x, false, f[2*l], true), false)
		return mul(1, dy, false, n.w[l], false).plus(mul(1, v, false, f[2*l], false))
	}
	dh := back(h, dy, 1)
	for i, y := range h.v {
		dh.v[i] *= 1 - y*y
	}
	back(n.x, dh, 0)
	return loss
}

var factorNames = [4]string{
	"lin1.lora_A.default.weight", "lin1.lora_B.default.weight",
	"lin2.lora_A.default.weight", "lin2.lora_B.default.weight",
}

// newNet returns the recorded net at its start and its two adapters as
// groups.
func newNet(t *testing.T, r *run) (*net, []*optim.Group) {
	n := &net{x: r.matrix(t, "x"), target: r.matrix(t, "target")}
	groups := []*optim.Group{{Name: "lin1", Scaling: scaling}, {Name: "lin2", Scaling: scaling}}
	for l, name := range []string{"lin1", "lin2"} {
		n.w[l], n.b[l] = r.matrix(t, "base."+name+".weight"), r.matrix(t, "base."+name+".bias")
	}
	for i, name := range factorNames {
		x, err := r.tensors.Tensor("param." + name)
		if err != nil {
			t.Fatal(err)
		}
		n.factors[i] = &optim.Param{
			Name: name, Role: []string{"A", "B"}[i%2],
			Value: ag.NewParameter(x.Shape[0], x.Shape[1], x.Data),
		}
		groups[i/2].Params = append(groups[i/2].Params, n.factors[i])
	}
	return n, groups
}

// step computes the loss, gives the parameters their gradients and steps.
func (n *net) step(o *optim.Optimizer, lr float64) (loss float64) {
	o.ZeroGrad()
	loss = n.loss()
	for i, p := range n.factors {
		ag.Accumulate(p.Value, func(g []float32, _ bool) {
			for j, x := range n.factorGradients[i].v {
				g[j] = float32(x)
			}
		})
	}
	o.Step(lr)
	return loss
}

var recorded = []struct {
	name  string
	chain func(r *run) optim.Transform
}{
	{"adamw", func(r *run) optim.Transform { return optim.AdamW(r.Hyper.WeightDecay) }},
	{"adam_l2", func(r *run) optim.Transform {
		return optim.Chain{optim.Decay{Weight: r.Hyper.WeightDecay}, optim.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}}
	}},
	{"sgd_momentum", func(r *run) optim.Transform {
		return optim.Chain{optim.Decay{Weight: r.Hyper.WeightDecay}, optim.Momentum{Mu: r.Hyper.Momentum, Nesterov: true}}
	}},
	{"loraplus", func(r *run) optim.Transform {
		return append(optim.AdamW(r.Hyper.RatioDecay), optim.ScaleRole{Role: "B", Factor: r.Hyper.Ratio})
	}},
}

// TestRecorded takes PyTorch's 20 steps again.
func TestRecorded(t *testing.T) {
	for _, c := range recorded {
		t.Run(c.name, func(t *testing.T) {
			r := readRun(t, c.name)
			n, groups := newNet(t, r)
			o := optim.New(c.chain(r), groups)
			// A weight moves by about lr a step. Where a gradient is near
			// zero, Adam divides its float32 noise by its own size: such a
			// weight may be off by a small part of a step.
			tol := func(steps int) float64 { return 1e-6 + 1e-3*r.Hyper.LR*float64(steps) }
			compare := func(prefix string, steps int) {
				t.Helper()
				for i, name := range factorNames {
					want := r.matrix(t, prefix+name)
					for j, x := range n.factors[i].Value.Floats() {
						if d := math.Abs(float64(x) - want.v[j]); !(d <= tol(steps)) {
							t.Fatalf("%s%s[%d] = %g, PyTorch has %g", prefix, name, j, x, want.v[j])
						}
					}
				}
			}
			for i, want := range r.Losses {
				if i == len(r.Losses)-1 {
					compare("final.", i)
				}
				loss := n.step(o, r.Hyper.LR)
				if math.Abs(loss-want) > 2e-5*want { // PyTorch's loss is float32 over float32 weights
					t.Fatalf("step %d: loss %.7f, PyTorch has %.7f", i, loss, want)
				}
				if i == 0 {
					compare("after1.", 1)
				}
			}
		})
	}
}

// TestResume cuts a run off after 7 steps and goes on from what was saved: the
// rest must be the same bit for bit.
func TestResume(t *testing.T) {
	for _, c := range recorded {
		t.Run(c.name, func(t *testing.T) {
			r := readRun(t, c.name)
			whole, groups := newNet(t, r)
			o := optim.New(c.chain(r), groups)
			cut, cutGroups := newNet(t, r)
			for i := range 20 {
				if i == 7 {
					step, buffers := o.Save()
					for j, p := range cut.factors {
						copy(p.Value.Floats(), whole.factors[j].Value.Floats())
					}
					o2 := optim.New(c.chain(r), cutGroups)
					if err := o2.Load(step, buffers); err != nil {
						t.Fatal(err)
					}
					for range 13 {
						cut.step(o2, r.Hyper.LR)
					}
				}
				whole.step(o, r.Hyper.LR)
			}
			for j, p := range cut.factors {
				for i, x := range p.Value.Floats() {
					if y := whole.factors[j].Value.Floats()[i]; math.Float32bits(x) != math.Float32bits(y) {
						t.Fatalf("%s[%d] = %g, uncut %g", p.Name, i, x, y)
					}
				}
			}
		})
	}
}
