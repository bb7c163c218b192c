package delta_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/nn"
)

// adapted returns a map over a random weight whose factors are random, where
// start leaves them so.
func adapted(t *testing.T, d adapter.Delta, out, in, rank int) *adapter.Map {
	t.Helper()
	m, err := adapter.New(nn.NewLinear("lin", out, in, random(out*in)), 0, 1, d, nil, rank, 8)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Factors {
		copy(f.Floats(), random(len(f.Floats())))
	}
	return m
}

var rng = rand.New(rand.NewPCG(1, 2))

func random(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func merged(t *testing.T, m *adapter.Map) []float32 {
	t.Helper()
	w, err := m.Merged()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestScaling(t *testing.T) {
	for _, c := range []struct {
		d    adapter.Delta
		want float64
	}{
		{delta.LoRA{}, 2}, {delta.LoRA{RankRoot: true}, 4}, {delta.DoRA{}, 2}, {delta.DoRA{RankRoot: true}, 4},
		{delta.SVD{}, 2}, {delta.Core{}, 2}, {delta.VeRA{}, 1}, {delta.HiRA{}, 1}, {delta.Full{}, 1},
	} {
		if s := c.d.Scaling(8, 4); s != c.want {
			t.Errorf("%T: alpha 8 at rank 4 gives the scaling %v, want %v", c.d, s, c.want)
		}
	}
}

func TestRankIsChecked(t *testing.T) {
	for _, d := range []adapter.Delta{delta.LoRA{}, delta.DoRA{}, delta.SVD{}, delta.Core{}, delta.VeRA{}, delta.HiRA{}} {
		if _, err := adapter.New(nn.NewLinear("lin", 2, 3, make([]float32, 6)), 0, 1, d, nil, 0, 8); err == nil {
			t.Errorf("%T takes rank 0", d)
		}
	}
}

// Parameters as the papers count them, for out 5, in 7, rank 3.
func TestTrainedParameters(t *testing.T) {
	for _, c := range []struct {
		d    adapter.Delta
		want int
	}{
		{delta.LoRA{}, 3 * (5 + 7)}, {delta.DoRA{}, 3*(5+7) + 5}, {delta.SVD{}, 3 * (5 + 7 + 1)},
		{delta.Core{}, 3*(5+7) + 9}, {delta.Core{CoreOnly: true}, 9}, {delta.Core{CoreOnly: true, Inner: 2}, 12},
		{delta.VeRA{}, 5 + 3}, {delta.HiRA{}, 3 * (5 + 7)}, {delta.Full{}, 5 * 7},
	} {
		if n := adapted(t, c.d, 5, 7, 3).TrainedParameters(); n != c.want {
			t.Errorf("%T has %d parameters, want %d", c.d, n, c.want)
		}
	}
}

// The gain of a start is exactly one, and W' has rows of exactly the norm m.
func TestDoRA(t *testing.T) {
	m := adapted(t, delta.DoRA{}, 5, 7, 3)
	if err := (delta.DoRA{}).Start([]*adapter.Map{m}, nil); err != nil {
		t.Fatal(err)
	}
	f, err := m.Freestanding()
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range ag.Floats(f.Gain) {
		if g != 1 {
			t.Errorf("gain %d is %v at the start", i, g)
		}
	}
	for i := range m.Factor("M").Floats() {
		m.Factor("M").Floats()[i] = float32(i + 1)
	}
	w := merged(t, m)
	for i := range m.Out {
		sum := 0.0
		for _, x := range w[i*m.In : (i+1)*m.In] {
			sum += float64(x) * float64(x)
		}
		if norm := math.Sqrt(sum); math.Abs(norm/float64(i+1)-1) > 1e-5 { // float32 sums of 7
			t.Errorf("row %d of W' has norm %v, want %d", i, norm, i+1)
		}
	}
}

// Maps share the corners of one pair of matrices.
func TestVeRAShares(t *testing.T) {
	d := delta.VeRA{}
	maps := []*adapter.Map{adapted(t, d, 5, 7, 3), adapted(t, d, 9, 4, 3), adapted(t, d, 6, 4, 3)}
	if err := d.Start(maps, rand.New(rand.NewPCG(1, 2))); err != nil {
		t.Fatal(err)
	}
	a, small := maps[0].Factor("A").Floats(), maps[1].Factor("A").Floats()
	for k := range 3 {
		for j := range 4 {
			if small[k*4+j] != a[k*7+j] {
				t.Fatalf("A[%d,%d] of the narrow map is not that of the wide one", k, j)
			}
		}
	}
	if &small[0] != &maps[2].Factor("A").Floats()[0] {
		t.Error("maps of one width have their own copies of A")
	}
	if &maps[0].Factor("B").Floats()[0] != &maps[1].Factor("B").Floats()[0] {
		t.Error("maps of one rank have their own copies of B")
	}
	for _, m := range maps {
		for _, name := range []string{"A", "B"} {
			if f := m.Factor(name); f.Trained || f.RequiresGrad() {
				t.Errorf("%s is trained", name)
			}
		}
	}
}

// Where W0 is zero W' is zero, and over ones it is LoRA at s = 1.
func TestHiRA(t *testing.T) {
	m := adapted(t, delta.HiRA{}, 5, 7, 3)
	m.W0()[3] = 0
	if w := merged(t, m); w[3] != 0 {
		t.Errorf("W' is %v where W0 is 0", w[3])
	}
	for i := range m.W0() {
		m.W0()[i] = 1
	}
	plain := adapted(t, delta.LoRA{}, 5, 7, 3)
	plain.Scaling = 1
	copy(plain.W0(), m.W0())
	for _, name := range []string{"A", "B"} {
		copy(plain.Factor(name).Floats(), m.Factor(name).Floats())
	}
	want := merged(t, plain)
	for i, x := range merged(t, m) {
		if math.Abs(float64(x-want[i])) > 1e-5 { // float32 sums of 3 values around 1
			t.Errorf("W'[%d] is %v, want %v", i, x, want[i])
		}
	}
}

// Exactly one factor starts at zero, or none with a base that makes up for it.
func TestSVDStart(t *testing.T) {
	d := delta.SVD{Orthogonality: 0.5}
	start := func(prepare func(m *adapter.Map)) float32 {
		m := adapted(t, d, 5, 7, 3)
		clear(m.Factor("E").Floats())
		prepare(m)
		if err := d.Start([]*adapter.Map{m}, nil); err != nil {
			t.Fatal(err)
		}
		return m.Factor("E").Floats()[0]
	}
	if e := start(func(*adapter.Map) {}); e != 0 {
		t.Errorf("E is %v with B random", e)
	}
	if e := start(func(m *adapter.Map) { clear(m.Factor("B").Floats()) }); e != 1 {
		t.Errorf("E is %v with B zero", e)
	}
	if e := start(func(m *adapter.Map) { m.Offset() }); e != 1 {
		t.Errorf("E is %v with the product taken out of the base", e)
	}
	if e := start(func(m *adapter.Map) { m.Factor("E").Floats()[0] = 3 }); e != 3 {
		t.Errorf("E is %v where an initializer made it 3", e)
	}
}

// The penalty is Orthogonality times the mean over A and B of all maps.
func TestSVDPenalty(t *testing.T) {
	m := adapted(t, delta.SVD{Orthogonality: 0.5}, 5, 7, 3)
	m.Maps = 10
	c := &nn.Context{Tape: ag.NewTape()}
	m.Delta.Form(c, m)
	if len(c.Losses) != 2 {
		t.Fatalf("%d losses, want one for A and one for B", len(c.Losses))
	}
	for i, f := range []struct {
		name       string
		norm       float64
		rows, cols int
	}{{"A", gram(m.Factor("A").Floats(), 3, 7, false), 3, 7}, {"B", gram(m.Factor("B").Floats(), 5, 3, true), 5, 3}} {
		l := c.Losses[i]
		if l.Weight != 0.5/20 || math.Abs(float64(ag.Floats(l.Value)[0])/f.norm-1) > 1e-5 { // float32 sums
			t.Errorf("%s: weight %v, penalty %v, want 0.025 and %v", f.name, l.Weight, ag.Floats(l.Value)[0], f.norm)
		}
	}
}

// KaSA's penalties are of each map, and are summed.
func TestKaSAPenalty(t *testing.T) {
	m := adapted(t, delta.KaSA{Values: 0.25, Orthogonality: 0.5}, 5, 7, 3)
	m.Maps = 10
	c := &nn.Context{Tape: ag.NewTape()}
	m.Delta.Form(c, m)
	got := 0.0
	for _, l := range c.Losses {
		got += float64(l.Weight) * float64(ag.Floats(l.Value)[0])
	}
	want := 0.5 * (gram(m.Factor("A").Floats(), 3, 7, false) + gram(m.Factor("B").Floats(), 5, 3, true))
	for _, e := range m.Factor("E").Floats() {
		want += 0.25 * float64(e) * float64(e)
	}
	if math.Abs(got/want-1) > 1e-5 { // float32 sums
		t.Errorf("the penalty is %v, want %v", got, want)
	}
}

// gram is ‖x·xᵀ − I‖, or ‖xᵀ·x − I‖, in float64.
func gram(x []float32, rows, cols int, columns bool) float64 {
	n, k := rows, cols
	at := func(i, j int) float64 { return float64(x[i*cols+j]) }
	if columns {
		n, k = cols, rows
		at = func(i, j int) float64 { return float64(x[j*cols+i]) }
	}
	sum := 0.0
	for i := range n {
		for j := range n {
			dot := 0.0
			for l := range k {
				dot += at(i, l) * at(j, l)
			}
			if i == j {
				dot--
			}
			sum += dot * dot
		}
	}
	return math.Sqrt(sum)
}
