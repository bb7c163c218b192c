package lora

import (
	"math"
	"math/rand/v2"

	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/geometry"
)

// A reduction has the principal components of rows that come batch by batch: a truncated
// decomposition of what was centred so far stands for it when the next batch comes,
// with a row for the difference between their means (Ross et al., Int. J. Comput.
// Vis. 77, 2008; EVA, arXiv 2410.07170, section 3.1). Each truncation changes the sum
// of squares by at most the square of the first singular value that it leaves out.
type reduction struct {
	in, most int // inputs; rows that are kept
	rows     int
	mean     []float64
	total    float64   // of squares about the mean
	kept     []float32 // rows whose squares stand for those of all
}

const (
	spare = 48 // components that are kept beyond those wanted: truncation costs the last most
	// widest inputs of which all moments are collected whatever is wanted: they are
	// cheap, and exact; and the part of the inputs up to which components are few.
	widest, part = 192, 8
	// Rounds of iteration for a batch: every later one brings what is kept nearer.
	rounds = 1
)

// few reports whether k components of so many inputs are collected by themselves.
func few(k, in int) bool { return k > 0 && in > widest && part*k <= in }

func newReduction(in, k int) *reduction {
	return &reduction{in: in, most: k + spare, mean: make([]float64, in)}
}

// add takes the rows of a batch in.
func (l *reduction) add(rows [][]float32) error {
	count := len(rows)
	if count == 0 {
		return nil
	}
	n, m := float64(l.rows), float64(count)
	old := len(l.kept)
	more := count * l.in
	if l.rows > 0 {
		more += l.in
	}
	stack := make([]float32, old+more)
	copy(stack, l.kept)
	const block = 64 // columns, each summed by itself
	kernels.Parallel((l.in+block-1)/block, func(i int) {
		from, to := i*block, min((i+1)*block, l.in)
		mean := make([]float64, to-from)
		for _, row := range rows {
			for j, v := range row[from:to] {
				mean[j] += float64(v)
			}
		}
		for j := range mean {
			mean[j] /= m
		}
		at := old + from
		for _, row := range rows {
			centred := stack[at:]
			for j, v := range row[from:to] {
				centred[j] = float32(float64(v) - mean[j])
			}
			at += l.in
		}
		for j, v := range mean {
			if l.rows > 0 {
				stack[at+j] = float32(math.Sqrt(n*m/(n+m)) * (l.mean[from+j] - v))
			}
			l.mean[from+j] = (n*l.mean[from+j] + m*v) / (n + m)
		}
	})
	l.total += kernels.SumSquares(stack[old:])
	l.rows += count
	if l.kept = stack; len(stack) <= l.most*l.in {
		return nil
	}
	d, err := geometry.Triplets(stack, len(stack)/l.in, l.in, l.most, rounds, rand.New(rand.NewPCG(uint64(l.in), uint64(l.rows))))
	if err != nil {
		return err
	}
	l.kept = make([]float32, len(d.S)*l.in)
	for k, s := range d.S {
		for j := range l.in {
			l.kept[k*l.in+j] = float32(s * d.V.At(j, k))
		}
	}
	return nil
}

// components decomposes what is kept, exactly.
func (l *reduction) components() (*adapter.Components, error) {
	w, err := geometry.Dense(l.kept, len(l.kept)/l.in, l.in)
	if err != nil {
		return nil, err
	}
	d, err := geometry.Decompose(w)
	if err != nil {
		return nil, err
	}
	c := &adapter.Components{Total: l.total / float64(l.rows), Directions: make([]float32, len(d.S)*l.in)}
	for k, s := range d.S {
		c.Variances = append(c.Variances, s*s/float64(l.rows))
		for j := range l.in {
			c.Directions[k*l.in+j] = float32(d.V.At(j, k))
		}
	}
	return c, nil
}
