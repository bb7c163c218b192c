package experiments

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/lowrank/lowrank/experiments/data"
)

// trainStream is the stream that steps of training draw their examples from.
const trainStream = "data"

// An order is the order in which examples are drawn: in every pass over all of
// them another, which follows from the seed, the stream and the number of the
// pass alone.
type order struct {
	rows  int // of a batch of training whose texts are nearly of one length; 0: as chance has them
	key   string
	order []int
}

// at returns which of the examples stands at a place of a stream.
func (o *order) at(list []example, seed uint64, stream string, place int) int {
	n := len(list)
	pass := place / n
	key := fmt.Sprintf("%s/pass/%d", stream, pass)
	if full := fmt.Sprint(seed, "/", key); o.key != full {
		rng := data.Stream(seed, key)
		o.key, o.order = full, rng.Perm(n)
		if o.rows > 0 && stream == trainStream {
			begun := pass * n % o.rows // the rows of a batch that the pass before has left over
			groupByLength(list, o.order[min((o.rows-begun)%o.rows, n):], o.rows, rng)
		}
	}
	return o.order[place%n]
}

// groupByLength sorts an order by the lengths of the examples, fifty batches at a time as
// transformers' option of this name, and shuffles the batches among each other.
func groupByLength(list []example, order []int, rows int, rng *rand.Rand) {
	for batches := range slices.Chunk(order, 50*rows) {
		slices.SortStableFunc(batches, func(a, b int) int { return list[a].compareLength(&list[b]) })
		rng.Shuffle(len(batches)/rows, func(i, j int) {
			for row := range rows {
				a, b := i*rows+row, j*rows+row
				batches[a], batches[b] = batches[b], batches[a]
			}
		})
	}
}
