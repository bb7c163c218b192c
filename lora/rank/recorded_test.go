package rank_test

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/internal/twolayer"
	"github.com/lowrank/lowrank/lora/rank"
	"github.com/lowrank/lowrank/nn/optim"
)

// The whole of a run recorded from PEFT: losses, budgets, which components are
// kept, the values of E after each step, and the importance.
func TestRecorded(t *testing.T) {
	for _, size := range []string{"a_24x40", "b_33x17"} {
		t.Run(size, func(t *testing.T) {
			name := size + "/adalora_trace"
			n := twolayer.Open(t, name, ".default", delta.SVD{Orthogonality: 0.5}, 8, 8)
			n.Orthogonality = 0.5
			trace := readTrace(t, name)

			s := rank.AdaLoRA{Ratio: 4, Begin: 4. / 24, End: 6. / 24, Every: 2, Beta1: 0.85, Beta2: 0.85, PostStep: true}
			plan, err := s.Plan(n.Maps[:], 24, nil)
			if err != nil {
				t.Fatal(err)
			}
			o := optim.New(optim.AdamW(0.01), n.Groups())

			kept := func(mask []float32) (names []bool) {
				for _, v := range mask {
					names = append(names, v != 0)
				}
				return names
			}
			for step, want := range trace.Trace { // PEFT counts from 0
				if loss := n.Backward(); math.Abs(loss-want.Loss) > 1e-4*want.Loss {
					t.Errorf("step %d: loss is %v, recorded %v", step, loss, want.Loss)
				}
				plan.Before(step)
				o.Step(0.01)
				plan.After(step)
				sum := 0
				for i, m := range n.Maps {
					e := m.Factor("E").Floats()
					n.Near(t, stepName(step, "after", m.Name, "E"), e, 1e-4)
					mask := buffer(t, plan.Buffers(), m.Name+"/adalora.mask")
					if p := want.Pattern[m.Name+".lora_E.default"]; p != nil && !slices.Equal(p, kept(mask)) {
						t.Errorf("step %d: %s keeps %v, recorded %v", step, m.Name, kept(mask), p)
					}
					if step%2 == 0 && step > 4 && step <= 18 || step > 18 {
						for k, v := range e {
							if (v != 0) != (mask[k] != 0) {
								t.Errorf("step %d: %s has E_%d = %v under the mask %v", step, m.Name, k, v, mask[k])
							}
						}
					}
					sum += plan.Ranks()[i]
					// Importance is a product of float32 weights and gradients of
					// up to about 0.1, and gradients agree to 1e-6.
					if slices.Contains([]int{0, 1, 2, 5, 9, 17}, step) {
						for _, f := range []string{"A", "B", "E"} {
							n.Near(t, stepName(step, "exp_avg_ipt", m.Name, f), buffer(t, plan.Buffers(), m.Name+"/adalora.mean."+f), 1e-5)
							n.Near(t, stepName(step, "exp_avg_unc", m.Name, f), buffer(t, plan.Buffers(), m.Name+"/adalora.uncertainty."+f), 1e-5)
						}
					}
				}
				if want.Budget != nil && want.Budget[1] == true && float64(sum) != want.Budget[0] {
					t.Errorf("step %d: %d components are kept, the recorded budget is %v", step, sum, want.Budget[0])
				}
			}
			for _, m := range n.Maps {
				for _, f := range m.Factors {
					n.Near(t, "final."+m.Name+".lora_"+f.Name+".default", f.Floats(), 1e-4)
				}
			}
		})
	}
}

func stepName(step int, what, layer, factor string) string {
	return "step" + string([]byte{'0' + byte(step/10), '0' + byte(step%10)}) + "." + what + "." + layer + ".lora_" + factor + ".default"
}

func buffer(t *testing.T, all []optim.Buffer, name string) []float32 {
	for _, b := range all {
		if b.Name == name {
			return b.Values
		}
	}
	t.Fatalf("there is no buffer %s", name)
	return nil
}

type trace struct {
	Trace []struct {
		Loss    float64           `json:"loss_task"`
		Budget  []any             `json:"budget"`
		Pattern map[string][]bool `json:"rank_pattern"`
	}
}

func readTrace(t *testing.T, name string) (r trace) {
	b, err := os.ReadFile("../../../shared/fixtures/layers/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r
}
