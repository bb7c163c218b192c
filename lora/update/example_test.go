package update_test

import (
	"fmt"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/update"
	"github.com/lowrank/lowrank/nn/optim"
)

// LoRA+ moves B sixteen times as far as A.
func ExampleLoRAPlus() {
	a, b := ag.NewParameter(1, 2, nil), ag.NewParameter(2, 1, nil)
	for _, v := range []*ag.Variable{a, b} {
		ag.Accumulate(v, func(g []float32, _ bool) { g[0], g[1] = 3, -2 })
	}
	g := &optim.Group{Name: "q_proj", Scaling: 1, Params: []*optim.Param{
		{Name: "q_proj.A", Role: "A", Value: a},
		{Name: "q_proj.B", Role: "B", Value: b},
	}}
	o := optim.New(update.LoRAPlus{Ratio: 16}.Transform(0), []*optim.Group{g})
	o.Step(0.001)
	fmt.Printf("%.4f %.4f\n", a.Floats(), b.Floats())
	// Output: [-0.0010 0.0010] [-0.0160 0.0160]
}
