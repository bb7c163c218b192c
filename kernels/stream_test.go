package kernels

import (
	"fmt"
	"testing"
)

// Streams have the bits of the same product computed a part at a time, which is too
// small to be one, on any number of threads; and their float64 reference's values.
func TestStream(t *testing.T) {
	const part = 40 // columns of C, or of a turned one rows
	defer func(size int) { machine.L2 = size }(machine.L2)
	const large, small = 1 << 20, 1 << 19 // for which the cases are chosen
	defer SetThreads(0)
	cases := []struct {
		op     Op
		turned bool
		productCase
		pad int
		l2  int
	}{
		{TN, false, productCase{m: 8, n: 1000, k: 700}, 0, large},
		{TN, false, productCase{m: 13, n: 1100, k: 513}, 3, large},
		{NN, false, productCase{m: 3, n: 530, k: 1025}, 1, large},
		{NN, false, productCase{m: 64, n: 1024, k: 128}, 0, large}, // small, with rows in one set
		{TN, true, productCase{m: 1000, n: 8, k: 700}, 0, large},
		{TN, true, productCase{m: 1101, n: 13, k: 513}, 3, large},
		{TN, true, productCase{m: 1024, n: 33, k: 129}, 0, large},
		{TN, true, productCase{m: 600, n: 16, k: 1100}, 1, large},
		// Gathered, for their rows of A or for their rows of B.
		{TN, false, productCase{m: 60, n: 1101, k: 700}, 2, small},
		{TN, false, productCase{m: 17, n: 1024, k: 1100}, 0, small},
		{TN, true, productCase{m: 1024, n: 50, k: 900}, 0, small},
		{TN, true, productCase{m: 1024, n: 20, k: 64}, 0, small},
		{TN, true, productCase{m: 300, n: 6, k: 90}, 1, large}, // small, of few columns
	}
	for _, c := range cases {
		machine.L2 = c.l2
		t.Run(fmt.Sprintf("%v/%dx%dx%d", c.op, c.m, c.n, c.k), func(t *testing.T) {
			eachLevel(t, func(t *testing.T) {
				s := &shapes[Active()]
				if !s.masked && max(c.m, c.n)%s.wide != 0 {
					t.Skip("the level has streams of whole tiles only")
				}
				for _, acc := range []bool{false, true} {
					o := newOperands(c.productCase, c.op, c.pad, normal(uint64(c.m)))
					long, few := matrix{o.b.x, o.b.ld, 1}, c.m
					if c.turned {
						long, few = matrix{o.a.x, o.a.ld, 1}, c.n
					}
					if !s.streams(c.turned, few, long, c.k, max(c.m, c.n)) || s.streams(c.turned, few, long, c.k, part) {
						t.Fatal("the case is no stream, or its parts are")
					}
					if c.turned {
						o.againstParts(t, acc, part, c.n)
					} else {
						o.againstParts(t, acc, c.m, part)
					}
				}
			})
		})
	}
}
