package ag_test

import (
	"testing"

	"github.com/lowrank/lowrank/ag"
)

// The buckets are those of transformers' T5Attention under PyTorch: each pair is
// a distance j-i and the bucket from there up to the next pair.
func TestRelativeBuckets(t *testing.T) {
	const far = 600
	for _, c := range []struct {
		buckets       int
		bidirectional bool
		distance      int
		runs          [][2]int
	}{
		{32, true, 128, [][2]int{
			{-far, 15}, {-90, 14}, {-63, 13}, {-45, 12}, {-31, 11}, {-22, 10}, {-15, 9}, {-11, 8},
			{-7, 7}, {-6, 6}, {-5, 5}, {-4, 4}, {-3, 3}, {-2, 2}, {-1, 1}, {0, 0},
			{1, 17}, {2, 18}, {3, 19}, {4, 20}, {5, 21}, {6, 22}, {7, 23},
			{8, 24}, {12, 25}, {16, 26}, {23, 27}, {32, 28}, {46, 29}, {64, 30}, {91, 31},
		}},
		{32, false, 128, [][2]int{
			{-far, 31}, {-112, 30}, {-98, 29}, {-86, 28}, {-76, 27}, {-66, 26}, {-58, 25}, {-51, 24},
			{-45, 23}, {-39, 22}, {-34, 21}, {-30, 20}, {-26, 19}, {-23, 18}, {-20, 17}, {-18, 16},
			{-15, 15}, {-14, 14}, {-13, 13}, {-12, 12}, {-11, 11}, {-10, 10}, {-9, 9}, {-8, 8},
			{-7, 7}, {-6, 6}, {-5, 5}, {-4, 4}, {-3, 3}, {-2, 2}, {-1, 1}, {0, 0},
		}},
		{8, true, 20, [][2]int{{-far, 3}, {-6, 2}, {-1, 1}, {0, 0}, {1, 5}, {2, 6}, {7, 7}}},
		{5, false, 11, [][2]int{{-far, 4}, {-6, 3}, {-3, 2}, {-1, 1}, {0, 0}}},
		{7, true, 16, [][2]int{{-far, 2}, {-3, 1}, {0, 0}, {1, 4}, {4, 5}}},
	} {
		table := ag.NewVariable(c.buckets, 2, nil)
		for b := range c.buckets {
			table.Floats()[2*b], table.Floats()[2*b+1] = float32(b), float32(-b)
		}
		const tokens, keys, offset = 3, 2*far - 1, far - 2 // distances of -far to far
		y, err := ag.NewRelativeBias(table, tokens, keys, offset, c.bidirectional, c.distance).Forward()
		if err != nil {
			t.Fatal(err)
		}
		for r := range 2 * tokens {
			sign := 1 - 2*(r/tokens)
			for j := range keys {
				distance, want := j-r%tokens-offset, 0
				for _, run := range c.runs {
					if distance >= run[0] {
						want = run[1]
					}
				}
				if got := int(ag.Floats(y)[r*keys+j]); got != sign*want {
					t.Fatalf("%d buckets, bidirectional %t: head %d has bucket %d at distance %d, want %d",
						c.buckets, c.bidirectional, r/tokens, got*sign, distance, want)
				}
			}
		}
	}
}
