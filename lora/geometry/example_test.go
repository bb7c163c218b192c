package geometry_test

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/lora/geometry"
)

// An update of rank 1 that reads W0's weakest input and writes to its strongest
// output.
func Example() {
	w0 := mat.NewDense(3, 3, []float64{
		4, 0, 0,
		0, 2, 0,
		0, 0, 1})
	update := geometry.Of(2, []float32{3, 0, 0}, 3, []float32{0, 0, 1}, 3)

	d, err := update.SVD()
	if err != nil {
		fmt.Println(err)
		return
	}
	base, err := geometry.Leading(w0, 1, rand.New(rand.NewPCG(0, 0)))
	if err != nil {
		fmt.Println(err)
		return
	}
	left, right := d.Ranges()
	topLeft, topRight := base.First(1)
	angles, err := geometry.Angles(right, topRight)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("‖ΔW‖ %.0f\n", update.Norm())
	fmt.Printf("overlap with W0's leading left %.0f, right %.0f\n", geometry.Overlap(left, topLeft), geometry.Overlap(right, topRight))
	fmt.Printf("angle to the leading right %.0f°\n", angles[0]*180/math.Pi)
	// Output:
	// ‖ΔW‖ 6
	// overlap with W0's leading left 1, right 0
	// angle to the leading right 90°
}
