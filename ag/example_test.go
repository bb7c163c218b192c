package ag_test

import (
	"fmt"

	"github.com/lowrank/lowrank/ag"
)

// A frozen linear map with a low-rank adapter of rank 1 is trained on one
// batch: the graph is built once and then replayed. B starts at zero, so the
// first output is that of the frozen map.
func Example() {
	x := ag.NewVariable(2, 3, []float32{
		1, 0, 2,
		0, 1, 1,
	})
	w0 := ag.NewWeight(2, 3, []float32{
		1, 0, 0,
		0, 1, 0,
	})
	a := ag.NewParameter(1, 3, []float32{0.5, -0.5, 0.25})
	b := ag.NewParameter(2, 1, nil)

	tape := ag.NewTape()
	logits := tape.Run(ag.NewLowRankLinear(x, w0, a, b, 2, nil))
	loss := tape.Run(ag.NewCrossEntropy(logits, []int32{1, 0}))
	for step := range 3 {
		if step > 0 {
			tape.Replay()
		}
		fmt.Printf("step %d: loss %.4f\n", step, ag.Floats(loss)[0])
		if err := tape.Backward(loss); err != nil {
			fmt.Println(err)
			return
		}
		for _, p := range []*ag.Variable{a, b} {
			for i, g := range p.GradFloats() {
				p.Floats()[i] -= 0.5 * g
			}
			p.ZeroGrad()
		}
	}
	// Output:
	// step 0: loss 1.3133
	// step 1: loss 0.6819
	// step 2: loss 0.2936
}

// Guard turns operands that do not fit together into an error.
func ExampleGuard() {
	tape := ag.NewTape()
	x := ag.NewVariable(12, 96, nil)
	w0 := ag.NewWeight(64, 128, make([]float32, 64*128))
	err := ag.Guard(func() { tape.Run(ag.NewFrozenLinear(x, w0)) })
	fmt.Println(err)
	// Output:
	// ag: FrozenLinear: x is 12×96, W0 is 64×128: x must have 128 columns
}
