package experiments

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Each pass has every example once, in an order of its own that does not depend on what
// was asked before.
func TestOrderOfExamples(t *testing.T) {
	ten := make([]example, 10)
	var o order
	seen := map[int]int{}
	for place := range 20 {
		seen[o.at(ten, 1, trainStream, place)]++
	}
	for i := range 10 {
		if seen[i] != 2 {
			t.Errorf("example %d comes %d times in two passes", i, seen[i])
		}
	}
	var p, q order
	var first, second []int
	for place := range 10 {
		first, second = append(first, p.at(ten, 1, trainStream, place)), append(second, q.at(ten, 1, trainStream, 10+place))
	}
	if slices.Equal(first, second) {
		t.Error("two passes have the same order")
	}
	for place := 9; place >= 0; place-- { // in any order of asking
		if p.at(ten, 1, trainStream, 10+place) != second[place] || p.at(ten, 1, trainStream, place) != first[place] {
			t.Error("the order depends on what was asked before")
		}
	}
}

// Batches of texts grouped by length hold all of them in each pass, in other batches in
// the next one, of lengths that do not reach into each other's within fifty, in no order;
// a pass that ends within a batch moves none. Other streams know nothing of it.
func TestGroupByLength(t *testing.T) {
	const rows, n, passes = 4, 1003, 5
	rng := rand.New(rand.NewPCG(1, 2))
	list := make([]example, n)
	for i := range list {
		list[i].ids = make([]int32, 1+rng.IntN(400))
	}
	grouped, plain := order{rows: rows}, order{}
	var places, other []int
	for place := range passes * n {
		places = append(places, grouped.at(list, 3, trainStream, place))
		other = append(other, plain.at(list, 3, trainStream, place))
		if a, b := grouped.at(list, 3, "calibration", place), plain.at(list, 3, "calibration", place); a != b {
			t.Fatalf("place %d of another stream: example %d, want %d", place, a, b)
		}
	}
	var again order
	again.rows = rows
	for place := passes*n - 1; place >= 0; place -= 37 { // in any order of asking
		if i := again.at(list, 3, trainStream, place); i != places[place] {
			t.Fatalf("place %d: example %d, want %d", place, i, places[place])
		}
	}
	firsts := map[int]bool{}
	for pass := range passes {
		these := places[pass*n : (pass+1)*n]
		sorted := slices.Sorted(slices.Values(these))
		for i, j := range sorted {
			if i != j {
				t.Fatalf("pass %d lacks example %d", pass, i)
			}
		}
		firsts[these[rows]] = true
		// Whole batches of the stream that lie in the pass, by fifty.
		begin := (pass*n + rows - 1) / rows
		end := (pass + 1) * n / rows
		for from := begin; from < end; from += 50 {
			var spans [][2]int
			for b := from; b < min(from+50, end); b++ {
				span := [2]int{len(list[places[b*rows]].ids), 0}
				for _, i := range places[b*rows : (b+1)*rows] {
					span = [2]int{min(span[0], len(list[i].ids)), max(span[1], len(list[i].ids))}
				}
				spans = append(spans, span)
			}
			if slices.IsSortedFunc(spans, func(a, b [2]int) int { return a[0] - b[0] }) {
				t.Errorf("pass %d: the batches from %d on stand in the order of their lengths", pass, from)
			}
			slices.SortFunc(spans, func(a, b [2]int) int { return a[0] + a[1] - b[0] - b[1] })
			for i := range spans[1:] {
				if spans[i][1] > spans[i+1][0] {
					t.Errorf("pass %d: batches of %v and %v tokens in one fifty", pass, spans[i], spans[i+1])
				}
			}
		}
	}
	if len(firsts) < 2 {
		t.Error("all passes have the same order")
	}
	if g, p := padded(list, places, rows), padded(list, other, rows); g > 1.1 || p < 1.5 {
		t.Errorf("with padding there are %.2f times as many tokens, without grouping %.2f", g, p)
	}
}

// padded is how many times as many tokens there are with padding as without it.
func padded(list []example, places []int, rows int) float64 {
	var tokens, all int
	for batch := range slices.Chunk(places, rows) {
		longest := 0
		for _, i := range batch {
			tokens += len(list[i].ids)
			longest = max(longest, len(list[i].ids))
		}
		all += longest * len(batch)
	}
	return float64(all) / float64(tokens)
}

// A pass of fewer examples than a batch has rows is drawn as chance has it.
func TestGroupOfFewExamples(t *testing.T) {
	list := make([]example, 5)
	o := order{rows: 8}
	seen := map[int]int{}
	for place := range 40 {
		seen[o.at(list, 1, trainStream, place)]++
	}
	for i := range list {
		if seen[i] != 8 {
			t.Errorf("example %d comes %d times in eight passes", i, seen[i])
		}
	}
}
