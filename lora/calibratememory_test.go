package lora_test

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/nn"
)

// chain is maps one after the other.
type chain struct {
	layer
	maps []*nn.Linear
}

func (c chain) Linears() []*nn.Linear { return c.maps }

func (c chain) Params() []nn.Param {
	var all []nn.Param
	for _, l := range c.maps {
		all = append(all, nn.Param{Name: l.Name + ".weight", Variable: l.W, Shape: []int{l.Out, l.In}})
	}
	return all
}

// live returns the bytes that are reachable.
func live() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers and pools held through the first
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Gradients are there once while they add up, and when a start takes its part out of
// the base, the base of a map takes the room of its gradient: in between there is
// no more than what was stated, and one map.
func TestGradientsAreHeldOnce(t *testing.T) {
	const width, maps, rank, batches = 256, 6, 2, 2
	const one = 4 * width * width
	rng := rand.New(rand.NewPCG(1, 2))
	var model chain
	for i := range maps {
		w := make([]float32, width*width)
		for j := range w {
			w[j] = float32(rng.NormFloat64()) / 16
		}
		model.maps = append(model.maps, nn.NewLinear("lin"+string(rune('0'+i)), width, width, w))
	}
	x := ag.NewVariable(1, width, nil)
	for i := range width {
		x.Floats()[i] = float32(rng.NormFloat64())
	}
	pass := func(int) error {
		c := &nn.Context{Tape: ag.NewTape()}
		y := ag.Tensor(x)
		for _, l := range model.maps {
			y = l.Forward(c, y)
		}
		return c.Backward(total(c.Tape, c.Run(ag.NewMul(y, y)), 1))
	}
	stated, err := lora.CalibrationBytes(model, nil, true, false, 0)
	if err != nil || stated != maps*one {
		t.Fatalf("%d bytes are stated (%v), of %d in the gradients", stated, err, maps*one)
	}
	if _, err := lora.Calibrate(model, nil, batches, pass); err != nil { // for what the kernels keep to work in
		t.Fatal(err)
	}
	before := live()
	within := func(when string, most int64) {
		t.Helper()
		if held := live() - before; held > most {
			t.Errorf("%s %d bytes are held: must be at most %d", when, held, most)
		}
	}
	g, err := lora.Calibrate(model, nil, batches, pass)
	if err != nil {
		t.Fatal(err)
	}
	const little = one / 2 // factors, the tape's remains
	within("after calibration", stated+little)
	starts := 0
	set, err := lora.Inject(model, row(t, "lora-ga"), lora.Options{Rank: rank, Alpha: rank, Gradient: g.Of, Started: func(m *adapter.Map) {
		within("before "+m.Name+" is freed", stated+one+little)
		g.Free(m)
		within("after "+m.Name+" is freed", stated+little)
		starts++
	}})
	if err != nil {
		t.Fatal(err)
	}
	if starts != maps || len(g) != 0 {
		t.Errorf("%d starts of %d were told of; %d gradients are left", starts, maps, len(g))
	}
	within("with the adapters", stated+little)
	runtime.KeepAlive(set)
	runtime.KeepAlive(model)
}
