package lora_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/pretrained"
)

// shapes are the folders of recorded layers.
var shapes = []string{"a_24x40", "b_33x17"}

// A recording is what PEFT did with one layer.
type recording struct {
	t       *testing.T
	tensors *pretrained.Safetensors
	init    *pretrained.Safetensors
	Shape   struct {
		R, N  int
		Alpha float64
	}
	Losses []float64
	Config map[string]any
}

// record reads a recording, or skips the test.
func record(t *testing.T, shape, variant string) *recording {
	t.Helper()
	dir := filepath.Join("..", "..", "shared", "fixtures", "layers", shape)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("shared/fixtures is not here: %v", err)
	}
	r := &recording{t: t}
	b, err := os.ReadFile(filepath.Join(dir, variant+".json"))
	if err == nil {
		err = json.Unmarshal(b, r)
	}
	if err == nil {
		r.tensors, err = pretrained.ReadSafetensors(filepath.Join(dir, variant+".safetensors"))
	}
	if err == nil {
		r.init, err = pretrained.ReadSafetensors(filepath.Join(dir, variant+".init.safetensors"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// get returns a tensor, or nil.
func (r *recording) get(file *pretrained.Safetensors, name string) []float32 {
	if _, ok := file.Shape(name); !ok {
		return nil
	}
	x, err := file.Tensor(name)
	if err != nil {
		r.t.Fatal(err)
	}
	return x.Data
}

// factor returns the tensor of a factor that PEFT calls name, after a prefix.
func (r *recording) factor(file *pretrained.Safetensors, prefix, name string) []float32 {
	stem, suffix := strings.CutSuffix(name, ".weight")
	full := prefix + "lin." + stem + ".default"
	if suffix {
		full += ".weight"
	}
	if x := r.get(file, full); x != nil {
		return x
	}
	return r.get(file, full+".weight")
}

// layer is a model of one linear map.
type layer struct{ lin *nn.Linear }

func (l layer) Linears() []*nn.Linear { return []*nn.Linear{l.lin} }

func (l layer) Forward(*nn.Context) ag.Tensor { panic("a layer has no tokens") }

func (l layer) Check(*nn.Context) error { return nil }

func (l layer) Task() nn.Task { return nn.Features }

func (l layer) Clone() nn.Model { panic("a layer is not cloned") }

func (l layer) Params() []nn.Param {
	ps := []nn.Param{{Name: "lin.weight", Variable: l.lin.W, Shape: []int{l.lin.Out, l.lin.In}}}
	if l.lin.Bias != nil {
		ps = append(ps, nn.Param{Name: "lin.bias", Variable: l.lin.Bias, Shape: []int{l.lin.Out}})
	}
	return ps
}

// layer returns the recorded layer before PEFT.
func (r *recording) layer() layer {
	shape, _ := r.tensors.Shape("W0")
	l := nn.NewLinear("lin", shape[0], shape[1], r.get(r.tensors, "W0"))
	if b := r.get(r.tensors, "b0"); b != nil {
		l.Bias = ag.NewVariable(1, l.Out, b)
	}
	return layer{l}
}

// near fails unless got is want, entry by entry, to abs + rel·|want|: a few
// hundred roundings of float32 in sums of up to 40 terms, in another order.
func near(t *testing.T, what string, got, want []float32, abs, rel float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s has %d values, want %d", what, len(got), len(want))
		return
	}
	for i := range got {
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= abs+rel*math.Abs(float64(want[i]))) {
			t.Errorf("%s[%d] = %v, want %v: off by %.2g", what, i, got[i], want[i], d)
			return
		}
	}
}

// total is s·Σ x as a 1×1 tensor.
func total(tape *ag.Tape, x ag.Tensor, s float32) ag.Tensor {
	rows, cols := ag.Dims(x)
	sums := tape.Run(ag.NewLinear(x, ones(1, cols)))
	return tape.Run(ag.NewProduct(ones(1, rows), sums, s))
}

func ones(rows, cols int) *ag.Variable {
	v := ag.NewVariable(rows, cols, nil)
	for i := range v.Floats() {
		v.Floats()[i] = 1
	}
	return v
}
