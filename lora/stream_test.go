package lora_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// batchesOf runs batch i of the pair forward and backward: in one graph, or in one of
// its own.
func batchesOf(p pair, anew bool) func(i int) error {
	var b *batchOf
	return func(i int) error {
		if b == nil || anew {
			b = newBatch(p, rand.New(rand.NewPCG(9, 9)))
		}
		rng := rand.New(rand.NewPCG(8, uint64(i)))
		for j := range b.x.Floats() {
			b.x.Floats()[j] = float32(rng.NormFloat64())
		}
		b.Replay()
		return b.Backward(b.loss)
	}
}

// A stream has what Calibrate has, bit for bit, and of maps that are used twice up to
// the order of the sum, in whatever order they are asked for; then the model is as it
// was.
func TestStream(t *testing.T) {
	const batches = 3
	p := newPair()
	want, err := lora.Calibrate(p, nil, batches, batchesOf(p, false))
	if err != nil {
		t.Fatal(err)
	}
	for _, order := range [][]*nn.Linear{{p.lin, p.other}, {p.other, p.lin}} {
		p.lin.W.SetRequiresGrad(true)
		s, err := lora.OpenStream(p, nil, batches, batchesOf(p, true))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range order {
			m := &adapter.Map{Linear: l}
			got := s.Of(m)
			if l == p.lin && !slices.Equal(got, want.Of(m)) {
				t.Errorf("the gradient of %s is %v, want %v", l.Name, got, want.Of(m))
			}
			for i, w := range want.Of(m) { // six float32 sums of up to 20
				if math.Abs(float64(got[i]-w)) > 1e-5 {
					t.Errorf("entry %d of the gradient of %s is %v, want %v", i, l.Name, got[i], w)
				}
			}
			s.Free(m)
			if s.Of(m) != nil {
				t.Errorf("the gradient of %s is there after it was freed", l.Name)
			}
		}
		if !p.lin.W.RequiresGrad() || p.other.W.RequiresGrad() || p.lin.Adapter != nil || p.lin.W.HasGrad() {
			t.Error("the model is not as it was")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		p.lin.W.SetRequiresGrad(false)
	}
}

// blocks is a chain of maps, each of which is a block, and what runs a batch through it
// on a tape beside the others', with blocks computed again.
func blocks(maps, width int) (chain, func(i int) error) {
	rng := rand.New(rand.NewPCG(1, 2))
	var model chain
	for i := range maps {
		w := make([]float32, width*width)
		for j := range w {
			w[j] = float32(rng.NormFloat64()) / float32(math.Sqrt(float64(width)))
		}
		model.maps = append(model.maps, nn.NewLinear(fmt.Sprintf("blocks.%d.lin", i), width, width, w))
	}
	first := ag.NewTape()
	return model, func(i int) error {
		x := ag.NewVariable(2, width, nil)
		for j := range x.Floats() {
			x.Floats()[j] = float32((i+j)%7) - 3
		}
		c := &nn.Context{Tape: first.Beside(), Checkpoint: true}
		y := ag.Tensor(x)
		for _, l := range model.maps {
			y = c.Block(func() ag.Tensor { return l.Forward(c, c.Run(ag.NewTanh(y))) })
		}
		return c.Backward(total(c.Tape, c.Run(ag.NewMul(y, y)), 1))
	}
}

// Batches that wait between blocks, in memory that they share, have what they have one
// after the other; of their gradients one block's are held at a time, and the start of
// a method that leaves the base as it is takes no more.
func TestStreamByBlock(t *testing.T) {
	const width, maps, batches = 256, 6, 3
	const one = 4 * width * width
	model, pass := blocks(maps, width)
	want, err := lora.Calibrate(model, nil, batches, pass)
	if err != nil {
		t.Fatal(err)
	}
	const little = one / 2 // factors, graphs
	if bytes, err := lora.StreamBytes(model, nil); err != nil || bytes != one {
		t.Errorf("%d bytes are stated, %v: want %d", bytes, err, one)
	}
	for again := range 2 { // once for what the kernels keep to work in
		for _, l := range model.maps {
			l.Frozen().Forward()
			l.Frozen().Backward()
		}
		before := live()
		s, err := lora.OpenStream(model, nil, batches, pass)
		if err != nil {
			t.Fatal(err)
		}
		var most int64
		gradient := func(m *adapter.Map) []float32 {
			g := s.Of(m)
			if !slices.Equal(g, want.Of(m)) {
				t.Errorf("the gradient of %s is another", m.Name)
			}
			return g
		}
		set, err := lora.Inject(model, row(t, "lora-one"), lora.Options{Rank: 2, Alpha: 2, Gradient: gradient, Started: func(m *adapter.Map) {
			most = max(most, live()-before)
			s.Free(m)
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if again == 1 && most > one+little {
			t.Errorf("%d bytes are held at once: must be those of one gradient, %d, and little more", most, one)
		}
		set.Remove()
	}
	runtime.KeepAlive(model)
	runtime.KeepAlive(want)
}

// What goes wrong with a batch is told, and the model is as it was.
func TestStreamErrors(t *testing.T) {
	failure := errors.New("no more text")
	for says, run := range map[string]func(p pair) func(int) error{
		"calibration batch 1: no more text": func(p pair) func(int) error {
			good := batchesOf(p, true)
			return func(i int) error {
				if i == 1 {
					return failure
				}
				return good(i)
			}
		},
		"calibration batch 0: lin is not part of the graph": func(p pair) func(int) error { return func(int) error { return nil } },
		"calibration batch 0: no gradient reaches lin": func(p pair) func(int) error {
			return func(int) error { newBatch(p, rand.New(rand.NewPCG(1, 1))); return nil }
		},
	} {
		p := newPair()
		p.lin.W.SetRequiresGrad(true)
		s, err := lora.OpenStream(p, nil, 2, run(p))
		if err == nil || !strings.Contains(err.Error(), says) || s != nil {
			t.Errorf("says %v, want …%s…", err, says)
		}
		if !p.lin.W.RequiresGrad() || p.lin.Adapter != nil {
			t.Error("the model is not as it was")
		}
	}
	// Of a failure on the way back a start that asks knows nothing, and Close does.
	model, pass := blocks(3, 8)
	s, err := lora.OpenStream(model, nil, 1, func(i int) error { return errors.Join(pass(i), failure) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lora.Inject(model, row(t, "lora-one"), lora.Options{Rank: 1, Alpha: 1, Gradient: s.Of}); err == nil {
		t.Error("a start was made from a batch that failed")
	}
	if err := s.Close(); !errors.Is(err, failure) {
		t.Errorf("Close returns %v, want %v", err, failure)
	}
	// One that is closed early is over.
	model, pass = blocks(3, 8)
	if s, err = lora.OpenStream(model, nil, 2, pass); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil || model.maps[0].Adapter != nil || model.maps[0].W.RequiresGrad() {
		t.Errorf("closed early: %v", err)
	}
	p := newPair()
	shared := pair{p.layer, nn.NewLinear("other", 3, width, nil)}
	shared.other.W = p.lin.W
	if _, err := lora.OpenStream(shared, nil, 1, batchesOf(shared, true)); err == nil || !strings.Contains(err.Error(), "other is an embedding, or shares its weight") {
		t.Errorf("maps that share a weight: %v", err)
	}
}
