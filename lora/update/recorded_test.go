package update

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/internal/twolayer"
	"github.com/lowrank/lowrank/nn/optim"
)

// Adam divides small gradients by their own size, so that float32 rounding of
// a gradient of 1e-5 of the largest moves a weight by about a hundredth of the
// step; in twenty steps such differences grow.
const after1, final = 1e-5, 1e-4

// Twenty steps of each rule against PEFT's: losses, the weights after one step
// and the final ones.
func TestRecorded(t *testing.T) {
	for _, c := range []struct {
		name   string
		rule   adapter.Update
		chain  optim.Transform
		lr     float64
		rsLoRA bool
	}{
		{"optim_adamw", AdamW{}, AdamW{}.Transform(0.01), 0.01, false},
		{"optim_loraplus", LoRAPlus{Ratio: 16}, LoRAPlus{Ratio: 16}.Transform(0.01), 0.002, false},
		{"optim_loraplus", LoRAPlus{Ratio: 16, PEFT: true}, LoRAPlus{Ratio: 16, PEFT: true}.Transform(0.01), 0.002, false},
		{"optim_riemannian", ScaledAdamW{Damping: 0.01}, ScaledAdamW{Damping: 0.01}.Transform(0.01), 0.01, false},
		{"optim_lorafa", LoRAFA{PEFT: true}, LoRAFA{PEFT: true}.Transform(0.01), 0.01, false},
		{"optim_lorafa_rslora", LoRAFA{PEFT: true}, LoRAFA{PEFT: true}.Transform(0), 0.01, true},
	} {
		for _, size := range []string{"a_24x40", "b_33x17"} {
			t.Run(c.name+"/"+size, func(t *testing.T) {
				name := size + "/" + c.name
				n := twolayer.Open(t, name, ".default.weight", delta.LoRA{RankRoot: c.rsLoRA}, 4, 8)
				for _, m := range n.Maps {
					for _, f := range c.rule.Freezes() {
						m.Freeze(f)
					}
				}
				start := append([]float32(nil), n.Maps[0].Factor("A").Floats()...)
				o := optim.New(c.chain, n.Groups())
				losses := recordedLosses(t, name)
				near := func(when string, tolerance float64) {
					for _, m := range n.Maps {
						for _, f := range m.Factors {
							n.Near(t, when+"."+m.Name+".lora_"+f.Name+".default.weight", f.Floats(), tolerance)
						}
					}
				}
				for step := range 20 {
					if loss := n.Backward(); math.Abs(loss-losses[step]) > 1e-4*losses[step] {
						t.Errorf("loss before step %d is %v, recorded %v", step+1, loss, losses[step])
					}
					if step == 0 {
						for _, m := range n.Maps {
							for _, f := range m.Factors {
								if f.Trained {
									n.Near(t, "grad0."+m.Name+".lora_"+f.Name+".default.weight", f.GradFloats(), 1e-6)
								}
							}
						}
					}
					o.Step(c.lr)
					if step == 0 {
						near("after1", after1)
					}
				}
				near("final", final)
				if len(c.rule.Freezes()) > 0 {
					for i, v := range n.Maps[0].Factor("A").Floats() {
						if v != start[i] {
							t.Fatalf("A[%d] went from %v to %v: must stay as it is", i, start[i], v)
						}
					}
				}
			})
		}
	}
}

func recordedLosses(t *testing.T, name string) []float64 {
	b, err := os.ReadFile("../../../shared/fixtures/layers/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var r struct{ Losses []float64 }
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r.Losses
}
