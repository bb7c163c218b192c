package adapter_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/nn"
)

// filled returns a map of 6×5 at rank 2 with random weights and factors.
func filled(t *testing.T, kind nn.Kind) *adapter.Map {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	draw := func(x []float32) []float32 {
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return x
	}
	l := nn.NewLinear("lin", 6, 5, draw(make([]float32, 30)))
	l.Kind = kind
	if kind == nn.Table {
		l.W = ag.NewVariable(5, 6, draw(make([]float32, 30)))
	}
	m, err := adapter.New(l, 0, 1, delta.LoRA{}, nil, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Factors {
		draw(f.Floats())
	}
	return m
}

// output returns what the map makes of all one-hot rows, by Forward or Lookup.
func output(m *adapter.Map) []float32 {
	c := &nn.Context{Tape: ag.NewTape()}
	if m.Kind == nn.Table {
		return ag.Floats(m.Lookup(c, []int32{0, 1, 2, 3, 4}))
	}
	x := ag.NewVariable(5, 5, nil)
	for i := range 5 {
		x.Floats()[6*i] = 1
	}
	return ag.Floats(m.Forward(c, x))
}

func near(t *testing.T, what string, have, want []float32) {
	t.Helper()
	for i := range want {
		if !(math.Abs(float64(have[i]-want[i])) <= 1e-5) { // sums of ten products of values around one
			t.Fatalf("%s: value %d is %v, want %v", what, i, have[i], want[i])
		}
	}
}

// What is taken out of the base, folded into it and followed by it adds up, and
// graphs that were built before see it.
func TestBase(t *testing.T) {
	for _, kind := range []nn.Kind{nn.Dense, nn.Table} {
		m := filled(t, kind)
		w0 := slices.Clone(m.W0())
		a, b := m.Factor("A"), m.Factor("B")
		m.Offset()
		m.OwnBase()
		base := m.Base
		m.Fold(m.Pair())
		near(t, "the base", m.Base.Floats(), w0)
		clear(b.Floats())
		near(t, "what was folded and cleared", output(m), output(plain(m, w0)))

		for i := range b.Floats() {
			b.Floats()[i] = float32(i) / 10
		}
		m.Follow(2)
		for i := range a.Floats() {
			a.Floats()[i] *= -1
		}
		m.Follow(2)
		want := slices.Clone(w0)
		for i := range m.Out {
			for j := range m.In {
				for k := range m.Rank {
					want[i*m.In+j] += 2 * m.Scaling * b.Floats()[i*m.Rank+k] * a.Floats()[k*m.In+j]
				}
			}
		}
		near(t, "a base that follows", m.Base.Floats(), want)
		if m.Base != base || !slices.Equal(m.W0(), w0) {
			t.Error("the base is another, or W0 has changed")
		}
		if have := m.RankBound(); have != 5 { // 2 of the factors, 2 of the start, 2 that were folded
			t.Errorf("the rank bound is %d, want 5", have)
		}
	}
}

// plain returns a dense map whose base is w and whose factors are zero.
func plain(m *adapter.Map, w []float32) *adapter.Map {
	l := nn.NewLinear("plain", m.Out, m.In, w)
	n, err := adapter.New(l, 0, 1, delta.LoRA{}, nil, m.Rank, 3)
	if err != nil {
		panic(err)
	}
	return n
}

// A base of its own is packed where it is made, and let go of: of no more than one map
// the values are held. Packed, it has the same bits.
func TestBaseIsPacked(t *testing.T) {
	m := filled(t, nn.Dense)
	w0 := slices.Clone(m.W0())
	m.Offset()
	if n := m.BaseValues(); n != 0 {
		t.Errorf("%d values of a base that is packed are held", n)
	}
	a, b := ag.Floats(m.Factor("A")), ag.Floats(m.Factor("B"))
	for i, w := range m.Base.Floats() {
		sum := float64(w0[i])
		for k := range m.Rank {
			sum -= float64(m.Scaling) * float64(b[i/m.In*m.Rank+k]) * float64(a[k*m.In+i%m.In])
		}
		if w != float32(sum) {
			t.Errorf("value %d is %v, want %v", i, w, float32(sum))
		}
	}
}
