package probe

import (
	"math"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/moe"
	"github.com/lowrank/lowrank/nn"
)

// What is measured on a batch with padding, whatever stands there, is what is measured
// on the same tokens without.
func TestPaddingIsLeftOut(t *testing.T) {
	for _, ends := range [][]int{{10, 3, 1, 7}, {2, 1, 1, 1}} { // more tokens than the rank, and fewer
		for _, router := range []adapter.Router{nil, moe.MoLA{PerLayer: 3, TopK: 2}} {
			measure := func(padded bool) map[string]float64 {
				m := newMap(t, delta.LoRA{}, router, 32, 24, 6)
				r := newRun(m)
				c := &nn.Context{Tape: ag.NewTape(), Batch: 4, Tokens: 10, End: ends}
				x, targets := slices.Clone(r.x.Floats()), slices.Clone(r.t)
				if padded {
					for i := range tokens {
						if i%10 >= ends[i/10] {
							targets[i] = -1
							for j := range m.In {
								x[i*m.In+j] *= 1000
							}
						}
					}
				} else {
					x, targets = nil, nil
					for b, n := range ends {
						x = append(x, r.x.Floats()[10*b*m.In:][:n*m.In]...)
						targets = append(targets, r.t[10*b:][:n]...)
					}
					c.Batch, c.Tokens, c.End = 1, len(targets), nil
				}
				r.tape, r.x, r.t = c.Tape, ag.NewVariable(len(targets), m.In, x), targets
				r.loss = c.Run(ag.NewCrossEntropy(m.Forward(c, r.x), r.t))
				p := New([]*adapter.Map{m})
				r.backward()
				r.lend(p)
				p.Lab.Halves = [2]Half{} // they would be others
				measured(t, p, 0)
				r.backward()
				p.Before(1)
				r.descend(0.3)
				r.tape.Replay()
				return measured(t, p, 1)
			}
			want, have := measure(false), measure(true)
			if len(have) != len(want) {
				t.Errorf("have %d values, want %d", len(have), len(want))
			}
			for name, v := range want {
				if !(math.Abs(have[name]-v) <= 1e-4*math.Abs(v)+1e-7) {
					t.Errorf("%T: %s is %v, without padding %v", router, name, have[name], v)
				}
			}
		}
	}
}
