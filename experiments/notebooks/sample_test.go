package notebooks

import (
	"context"
	"sync"
)

// sample is the experiment of these tests.
func sample(ctx context.Context, nb *Notebook) error {
	// # Sample

	nb.Printf("first\n")
	twice(nb)

	// Two.

	var all sync.WaitGroup
	all.Go(func() { nb.Printf("from a goroutine\n") })
	all.Wait()
	nb.Table([]string{"name", "n", "axis", "loss"}, []string{"a<b", "1", "rank", "−0.5 [−1, 0]"}, []string{"ΔW", "10", "", "late"})
	nb.Figure(`<svg class="chart" aria-label="A &lt; B"></svg>`)
	nb.Printf("after %d\n", 2)

	// Three.

	twice(nb)

	return ctx.Err()
}

// twice puts out below the cell that calls it.
func twice(nb *Notebook) {
	for range 2 {
		nb.Printf("again\n")
	}
}

// breaks is an experiment with a defect.
func breaks(context.Context, *Notebook) error {
	panic("a defect")
}
