package initial_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/initial"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
	"gonum.org/v1/gonum/mat"
)

// The starts that PEFT has recorded of a layer, from its weight and what its
// calibration saw. PEFT decomposes in float32: blur is how far a vector of unit
// length may be off.
func TestStartsOfPEFT(t *testing.T) {
	for _, c := range []struct {
		variant string
		want    adapter.Initializer
		blur    float64
	}{
		{"loraga_ArB2r_stable", initial.Gradient{Gamma: 16, PEFT: true}, 1e-4},
		{"loraga_A2rBr_stable", initial.Gradient{Gamma: 16, PEFT: true, Direction: initial.A2rBr}, 1e-4},
		{"loraga_ArBr_stable", initial.Gradient{Gamma: 16, PEFT: true, Direction: initial.Alternating}, 1e-4},
		{"loraga_ArB2r_gd_scale", initial.Gradient{Gamma: 16, PEFT: true, Scale: initial.OverScaling}, 1e-4},
		{"loraga_ArB2r_weight_svd", initial.Gradient{Gamma: 16, PEFT: true, Scale: initial.Weights}, 2e-3}, // it knows σ_1 of the weight from 4 rounds on 4 columns
		{"loraga_ArB2r_unit", initial.Gradient{Gamma: 16, PEFT: true, Scale: initial.Unit}, 1e-4},
		{"mica", initial.Minor{}, 1e-4},
		{"corda_ipm", initial.Oriented{Damping: 0.01, Scaled: true}, 1e-4},
		{"corda_kpm", initial.Oriented{Damping: 0.01, Scaled: true, Preserve: true}, 1e-4},
	} {
		for _, shape := range []string{"a_24x40", "b_33x17"} {
			t.Run(shape+"/"+c.variant, func(t *testing.T) {
				r := record(t, shape, c.variant)
				init := described(t, r, c.want)
				m := r.adapted(t, init)
				r.same(t, m, c.blur)
			})
		}
	}
}

// A recording is how PEFT started one layer.
type recording struct {
	*pretrained.Safetensors
	Shape struct {
		R     int
		Alpha float64
	}
	Config map[string]any
}

// record reads a recording, or skips the test.
func record(t *testing.T, shape, variant string) *recording {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "fixtures", "layers", shape)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("shared/fixtures is not here: %v", err)
	}
	r := &recording{}
	b, err := os.ReadFile(filepath.Join(dir, variant+".json"))
	if err == nil {
		err = json.Unmarshal(b, r)
	}
	if err == nil {
		r.Safetensors, err = pretrained.ReadSafetensors(filepath.Join(dir, variant+".init.safetensors"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *recording) get(t *testing.T, name string) pretrained.Tensor {
	t.Helper()
	x, err := r.Tensor(name)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// described returns the initializer that the recorded configuration says, which
// must be want.
func described(t *testing.T, r *recording, want adapter.Initializer) adapter.Initializer {
	t.Helper()
	i, ok := want.(interface {
		FromPEFT(any, map[string]any) (adapter.Initializer, bool)
	})
	if !ok {
		return want
	}
	got, ok := i.FromPEFT(r.Config["init_lora_weights"], r.Config)
	if !ok || got != want {
		t.Fatalf("the configuration is read as %+v, %t, want %+v", got, ok, want)
	}
	return got
}

// adapted starts an adapter of the recorded layer.
func (r *recording) adapted(t *testing.T, init adapter.Initializer) *adapter.Map {
	t.Helper()
	w := r.get(t, "W0")
	m, err := adapter.New(nn.NewLinear("lin", w.Shape[0], w.Shape[1], w.Data), 0, 1, delta.LoRA{}, nil, r.Shape.R, r.Shape.Alpha)
	if err != nil {
		t.Fatal(err)
	}
	err = init.Init([]*adapter.Map{m}, adapter.Inputs{
		Rand:     streams(1),
		Gradient: func(*adapter.Map) []float32 { return r.get(t, "calib.grad_W").Data },
		Moments: func(*adapter.Map) *adapter.Moments {
			x := r.get(t, "calib.x")
			return moments(dense(x.Shape[0], x.Shape[1], x.Data))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// same compares factors and base with the recorded ones. Each row of A and each
// column of B is known up to its sign; the base then follows from the recorded
// signs.
func (r *recording) same(t *testing.T, m *adapter.Map, blur float64) {
	t.Helper()
	a, b := factors(m)
	wantA := r.dense(t, "init.lin.lora_A.default.weight")
	wantB := r.dense(t, "init.lin.lora_B.default.weight")
	for k := range m.Rank {
		aligned(t, "row of A", a.RowView(k).(*mat.VecDense), wantA.RowView(k), blur)
		aligned(t, "column of B", b.ColView(k).(*mat.VecDense), wantB.ColView(k), blur)
	}
	base := dense(m.Out, m.In, m.W0())
	if start, _ := m.Start(); start != nil {
		base.Sub(base, scaled(float64(m.Scaling), product(b, a)))
	}
	want := r.dense(t, "init.lin.base_layer.weight")
	if d := mat.Norm(minus(base, want), 2); d > blur*mat.Norm(want, 2)+1e-12 {
		t.Errorf("the base is off by %.2g", d)
	}
}

func (r *recording) dense(t *testing.T, name string) *mat.Dense {
	x := r.get(t, name)
	return dense(x.Shape[0], x.Shape[1], x.Data)
}

// aligned gives x the sign of want, and compares.
func aligned(t *testing.T, what string, x *mat.VecDense, want mat.Vector, blur float64) {
	t.Helper()
	if mat.Dot(x, want) < 0 {
		x.ScaleVec(-1, x)
	}
	if d := mat.Norm(minus(x, want), 2); d > blur*mat.Norm(want, 2) {
		t.Errorf("a %s is off by %.2g of %.2g", what, d, mat.Norm(want, 2))
	}
}

func minus(x, y mat.Matrix) *mat.Dense {
	var d mat.Dense
	d.Sub(x, y)
	return &d
}

// moments are those of one batch of rows.
func moments(x *mat.Dense) *adapter.Moments {
	n, in := x.Dims()
	m := &adapter.Moments{Rows: n, Mean: make([]float64, in), Second: make([]float64, in*in), Scaled: make([]float64, in*in)}
	c := mat.Max(x)
	for i := range in {
		for j := range in {
			sum := mat.Dot(x.ColView(i), x.ColView(j))
			m.Second[i*in+j], m.Scaled[i*in+j] = sum/float64(n), sum/c/c
		}
		m.Mean[i] = mat.Sum(x.ColView(i)) / float64(n)
	}
	return m
}

// PEFT's EVA truncates after every batch, by a randomized decomposition: its A
// is orthonormal and keeps a little less of the variance than the best.
func TestPrincipalOfPEFT(t *testing.T) {
	for _, shape := range []string{"a_24x40", "b_33x17"} {
		r := record(t, shape, "eva")
		m := r.adapted(t, described(t, r, initial.Principal{}))
		a, b := factors(m)
		theirs := r.dense(t, "init.lin.lora_A.default.weight")
		c := centred(r.dense(t, "calib.x"))
		ours, kept := mat.Norm(product(c, a.T()), 2), mat.Norm(product(c, theirs.T()), 2)
		if ratio := kept * kept / ours / ours; !(ratio > 0.95 && ratio <= 1+1e-6) {
			t.Errorf("%s: PEFT keeps %.4f of the variance that is kept here", shape, ratio)
		}
		if mat.Norm(b, 2) != 0 || mat.Norm(r.dense(t, "init.lin.lora_B.default.weight"), 2) != 0 {
			t.Errorf("%s: B is not zero", shape)
		}
	}
}

// centred returns x less the mean of its rows.
func centred(x *mat.Dense) *mat.Dense {
	n, in := x.Dims()
	c := mat.DenseCopyOf(x)
	for j := range in {
		mean := mat.Sum(x.ColView(j)) / float64(n)
		for i := range n {
			c.Set(i, j, x.At(i, j)-mean)
		}
	}
	return c
}
