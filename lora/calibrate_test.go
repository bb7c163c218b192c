package lora_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// pair is a model of two maps that read the same input, of which the second is
// used twice.
type pair struct {
	layer
	other *nn.Linear
}

func (p pair) Linears() []*nn.Linear { return []*nn.Linear{p.lin, p.other} }

func (p pair) Params() []nn.Param {
	return append(p.layer.Params(), nn.Param{Name: "other.weight", Variable: p.other.W, Shape: []int{p.other.Out, p.other.In}})
}

const (
	sequences, length = 3, 4
	width             = 5
)

// batchOf is a graph of the pair on rows, some of them padding, with the loss
// Σ y·dy for all outputs.
type batchOf struct {
	*nn.Context
	x    *ag.Variable
	dy   []*ag.Variable // of the outputs
	loss ag.Tensor
}

func newBatch(p pair, rng *rand.Rand) *batchOf {
	b := &batchOf{Context: &nn.Context{Tape: ag.NewTape(), Batch: sequences, Tokens: length, First: []int{0, 1, 0}, End: []int{4, 4, 2}}}
	draw := func(cols int) *ag.Variable {
		v := ag.NewVariable(sequences*length, cols, nil)
		for i := range v.Floats() {
			v.Floats()[i] = float32(rng.NormFloat64())
		}
		return v
	}
	b.x = draw(width)
	first := p.lin.Forward(b.Context, b.x)
	twice := p.other.Forward(b.Context, p.other.Forward(b.Context, b.x))
	var terms []ag.Tensor
	var weights []float32
	for _, y := range []ag.Tensor{first, twice} {
		_, cols := ag.Dims(y)
		dy := draw(cols)
		b.dy = append(b.dy, dy)
		weights, terms = append(weights, 1), append(terms, total(b.Tape, b.Run(ag.NewMul(y, dy)), 1))
	}
	b.loss = b.Run(ag.NewSum(weights, terms...))
	return b
}

// seen lists the rows of a batch that are no padding.
var seen = []int{0, 1, 2, 3, 5, 6, 7, 8, 9}

func newPair() pair {
	rng := rand.New(rand.NewPCG(1, 2))
	square := make([]float32, width*width)
	wide := make([]float32, 3*width)
	for _, w := range [][]float32{square, wide} {
		for i := range w {
			w[i] = float32(rng.NormFloat64())
		}
	}
	return pair{layer{nn.NewLinear("lin", 3, width, wide)}, nn.NewLinear("other", width, width, square)}
}

// The moments are those of the rows that entered, worked out one by one, and of
// the gradients of what left.
func TestCalibrateMoments(t *testing.T) {
	p := newPair()
	rng := rand.New(rand.NewPCG(3, 4))
	var b *batchOf
	var xs [][]float32   // what entered lin
	var ys [][]float32   // what entered other the second time
	var dys [][]float32  // the gradients of lin's outputs
	var maxima []float64 // of lin's batches
	got, err := lora.CalibrateMoments(p, nil, 2, func(i int) error {
		if b == nil {
			b = newBatch(p, rng)
		} else {
			for j := range b.x.Floats() {
				b.x.Floats()[j] = float32(2 * rng.NormFloat64())
			}
			b.Replay()
		}
		if err := b.Backward(b.loss); err != nil {
			return err
		}
		most := math.Inf(-1)
		for _, r := range seen {
			x := slices.Clone(b.x.Floats()[r*width : (r+1)*width])
			xs, dys = append(xs, x), append(dys, slices.Clone(b.dy[0].Floats()[r*3:(r+1)*3]))
			y := make([]float32, width)
			for o := range width {
				for j := range width {
					y[o] += p.other.W.Floats()[o*width+j] * x[j]
				}
			}
			ys = append(ys, y)
			most = max(most, float64(slices.Max(x)))
		}
		maxima = append(maxima, most)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	lin, other := got["lin"], got["other"]
	if lin.Rows != 18 || other.Rows != 36 {
		t.Errorf("%d and %d rows, want 18 and 36", lin.Rows, other.Rows)
	}
	both := slices.Concat(xs, ys)
	for i := range width {
		within(t, "the mean", lin.Mean[i], mean(xs, func(x []float32) float64 { return float64(x[i]) }))
		within(t, "the mean of both passes", other.Mean[i], mean(both, func(x []float32) float64 { return float64(x[i]) }))
		for j := range width {
			square := func(x []float32) float64 { return float64(x[i]) * float64(x[j]) }
			within(t, "the second moment", lin.Second[i*width+j], mean(xs, square))
			within(t, "the second moment of both passes", other.Second[i*width+j], mean(both, square))
			scaled := (9*mean(xs[:9], square)/maxima[0]/maxima[0] + 9*mean(xs[9:], square)/maxima[1]/maxima[1]) / 2
			within(t, "the scaled moment", lin.Scaled[i*width+j], scaled)
		}
	}
	for o := range 3 {
		within(t, "the outputs' gradients", lin.Output[o], mean(dys, func(d []float32) float64 { return float64(d[o]) * float64(d[o]) }))
	}
	if m := (&adapter.Map{Linear: p.lin}); got.Of(m) != lin {
		t.Error("Of does not know the map")
	}
	if p.lin.Adapter != nil || p.other.Adapter != nil || p.lin.W.RequiresGrad() || p.lin.W.HasGrad() {
		t.Error("the model is not as it was")
	}
}

func mean(rows [][]float32, f func([]float32) float64) float64 {
	sum := 0.0
	for _, x := range rows {
		sum += f(x)
	}
	return sum / float64(len(rows))
}

// within compares what was summed in float64, of values that float32 has
// computed in another order.
func within(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-6*(1+math.Abs(want))) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// Batches that only run forward leave no gradients of outputs, and a graph that
// is built anew each time gives the same moments.
func TestCalibrateForward(t *testing.T) {
	moments := func(anew bool) lora.Moments {
		p, rng := newPair(), rand.New(rand.NewPCG(3, 4))
		var b *batchOf
		got, err := lora.CalibrateMoments(p, nil, 2, func(i int) error {
			if b == nil || anew {
				b = newBatch(p, rand.New(rand.NewPCG(9, 9)))
			}
			for j := range b.x.Floats() {
				b.x.Floats()[j] = float32(rng.NormFloat64())
			}
			b.Replay()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	once, anew := moments(false), moments(true)
	if once["lin"].Output != nil {
		t.Error("there are gradients of batches that did not run backward")
	}
	if !slices.Equal(once["other"].Second, anew["other"].Second) || once["lin"].Rows != anew["lin"].Rows {
		t.Error("the moments depend on whether the graph is built anew")
	}
}

// The maps of a block that read the same tensor share what is known of it.
func TestCalibrateShares(t *testing.T) {
	m := model(t)
	c := &nn.Context{Tape: ag.NewTape(), Batch: 2, Tokens: 3, IDs: []int32{1, 2, 3, 4, 5, 6}}
	got, err := lora.CalibrateMoments(m, nil, 1, func(int) error { return ag.Guard(func() { m.Forward(c) }) })
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 21 {
		t.Errorf("%d maps have moments, want 21", len(got))
	}
	at := func(name string) *float64 { return &got["model.layers.1."+name].Second[0] }
	var size float64 // the norm before q, k and v gives each token the size of √in
	x := got["model.layers.1.self_attn.v_proj"]
	for i := range 16 {
		size += x.Second[i*16+i]
	}
	if math.Abs(size-16) > 1 {
		t.Errorf("the mean size of what v reads is %v, want about 16", size)
	}
	if at("self_attn.q_proj") != at("self_attn.v_proj") || at("mlp.gate_proj") != at("mlp.up_proj") || at("self_attn.q_proj") == at("mlp.up_proj") {
		t.Error("query and value, gate and up must share their moments, and no others")
	}
	for _, l := range m.Linears() {
		if l.Adapter != nil || l.W.RequiresGrad() {
			t.Errorf("%s is not as it was", l.Name)
		}
	}
}

// A batch without a backward pass does not find the gradients of the one before.
func TestCalibrateMixed(t *testing.T) {
	outputs := func(batches int) []float64 {
		p := newPair()
		var b *batchOf
		got, err := lora.CalibrateMoments(p, nil, batches, func(i int) error {
			if i == 0 {
				b = newBatch(p, rand.New(rand.NewPCG(3, 4)))
				return b.Backward(b.loss)
			}
			for j := range b.dy[0].Floats() { // what is padding now was none
				b.dy[0].Floats()[j] = 0
			}
			b.First, b.End = nil, []int{4, 4, 0}
			b.Replay()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return got["lin"].Output
	}
	if one, two := outputs(1), outputs(2); !slices.Equal(one, two) {
		t.Errorf("with a batch that runs forward alone the outputs' gradients are %v, without %v", two, one)
	}
}

func TestCalibrateRefuses(t *testing.T) {
	p := newPair()
	run := func(int) error { newBatch(p, rand.New(rand.NewPCG(1, 1))); return nil }
	for _, c := range []struct {
		batches int
		targets lora.Targets
		run     func(int) error
		says    string
	}{
		{0, nil, run, "0 calibration batches"},
		{1, lora.Targets{"lni"}, run, "lni"},
		{1, nil, func(int) error { return nil }, "calibration batch 0: lin is not part of the graph"},
		{1, nil, func(int) error {
			b := newBatch(p, rand.New(rand.NewPCG(1, 1)))
			b.First, b.End = nil, []int{0, 0, 0}
			return nil
		}, "nothing but padding enter lin"},
		{1, nil, func(int) error {
			b := newBatch(p, rand.New(rand.NewPCG(1, 1)))
			b.x.Floats()[0] = float32(math.NaN())
			return nil
		}, "not finite enter lin"},
	} {
		_, err := lora.CalibrateMoments(p, c.targets, c.batches, c.run)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("says %v, want …%s…", err, c.says)
		}
		if p.lin.Adapter != nil {
			t.Fatal("the model is not as it was")
		}
	}
	// An adapter may not stand where calibration looks.
	set, err := lora.Inject(p, row(t, "lora"), lora.Options{Rank: 1, Alpha: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Remove()
	if _, err := lora.CalibrateMoments(p, nil, 1, run); err == nil || !strings.Contains(err.Error(), "has an adapter") {
		t.Errorf("an adapted model: %v", err)
	}
}

// A method that starts from activations is refused without them, and says what to
// do; a run that is taken up again needs none.
func TestInjectNeedsMoments(t *testing.T) {
	for name, says := range map[string]string{
		"eva":     "needs activations over calibration batches: run CalibrateMoments first",
		"lora-da": "needs gradients of the outputs over calibration batches: run CalibrateMoments first",
	} {
		p := newPair()
		opt := lora.Options{Rank: 2, Alpha: 2, Gradient: func(m *adapter.Map) []float32 { return m.W0() }}
		_, err := lora.Inject(p, row(t, name), opt)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: says %v, want …%s…", name, err, says)
		}
		moments, err := lora.CalibrateMoments(p, nil, 1, func(int) error {
			b := newBatch(p, rand.New(rand.NewPCG(1, 1)))
			return b.Backward(b.loss)
		})
		if err != nil {
			t.Fatal(err)
		}
		opt.Moments = moments.Of
		set, err := lora.Inject(p, row(t, name), opt)
		if err != nil {
			t.Fatal(err)
		}
		state := set.State()
		set.Remove()
		if set, err = lora.Inject(p, row(t, name), lora.Options{Rank: 2, Alpha: 2, State: state}); err != nil {
			t.Fatalf("%s: taken up again: %v", name, err)
		}
		set.Remove()
	}
}
