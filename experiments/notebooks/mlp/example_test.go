package mlp_test

import (
	"fmt"

	"github.com/lowrank/lowrank/experiments/notebooks/mlp"
)

// Two maps with a ReLU between them.
func Example() {
	p := &mlp.Problem{Samples: 2, X: []float32{1, -1}, Maps: []mlp.Map{{Out: 2, In: 1, W: []float32{1, -1}}, {Out: 1, In: 2, W: []float32{2, 3}}}}
	fmt.Println(p.Outputs())
	// Output: [2 3]
}
