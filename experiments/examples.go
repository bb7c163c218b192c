package experiments

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// An example is a row of a batch without its padding.
type example struct {
	line       int // of the file; 0: it is a window of a text
	ids, types []int32
	labels     []int32   // of the ids, or of the decoder; of a classifier one
	values     []float32 // labels that are numbers
	image      string    // the path, in the place of ids
}

// examples are those of a file.
type examples struct {
	path      string
	list      []example
	truncated int // how many were longer
	longest   int // tokens
	width     int // tokens or labels of one, the most
	unlabeled int // how many have no label that counts, since they were longer
}

// add appends an example, as it came from a passage.
func (x *examples) add(e example, cut bool) {
	if cut {
		x.truncated++
	}
	x.longest = max(x.longest, len(e.ids))
	x.width = max(x.width, x.longest, len(e.labels))
	x.list = append(x.list, e)
}

// apart keeps a fraction, at least one and not all, aside: evenly spread, the
// same for every seed.
func (x *examples) apart(fraction float64) (train, held []example, err error) {
	n := len(x.list)
	if n < 2 {
		return nil, nil, fmt.Errorf("data.train: %s has %d example: need at least 2, of which one is held out, or data.eval", x.path, n)
	}
	aside := min(max(int(math.Round(fraction*float64(n))), 1), n-1)
	for i, e := range x.list {
		if (i+1)*aside/n > i*aside/n {
			held = append(held, e)
		} else {
			train = append(train, e)
		}
	}
	return train, held, nil
}

// byLength sorts examples so that those of a batch need little padding.
func byLength(list []example) {
	slices.SortStableFunc(list, func(a, b example) int { return a.compareLength(&b) })
}

// compareLength compares the lengths of examples: of their tokens, then of their labels.
func (e *example) compareLength(f *example) int {
	return cmp.Or(cmp.Compare(len(e.ids), len(f.ids)), cmp.Compare(len(e.labels), len(f.labels)))
}

// hashExamples adds all that the examples are to a hash.
func hashExamples(w io.Writer, list []example) error {
	for _, e := range list {
		fmt.Fprintf(w, "%d %d %d %d %q\n", len(e.ids), len(e.types), len(e.labels), len(e.values), e.image)
		for _, x := range [][]int32{e.ids, e.types, e.labels} {
			if err := binary.Write(w, binary.LittleEndian, x); err != nil {
				return err
			}
		}
		if err := binary.Write(w, binary.LittleEndian, e.values); err != nil {
			return err
		}
		if e.image != "" {
			if err := hashFile(w, e.image); err != nil {
				return err
			}
		}
	}
	return nil
}

func hashFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
