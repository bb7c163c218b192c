package lora

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// Components found batch by batch keep as much of the variance of all rows as the
// exact ones do, about a mean that moves, and sum up to the whole.
func TestReduction(t *testing.T) {
	const in, k, batches, count = 240, 8, 6, 150
	rng := rand.New(rand.NewPCG(1, 2))
	l := newReduction(in, k)
	all := mat.NewDense(batches*count, in, nil)
	for b := range batches {
		rows := make([]float32, count*in)
		for i := range rows {
			j := i % in
			// Directions that are no axes, and a mean that drifts.
			rows[i] = float32(rng.NormFloat64()*math.Pow(1+float64(j), -0.4)) + 0.3*float32(b*(j%5))
			if j > 0 {
				rows[i] += 0.5 * rows[i-1]
			}
			all.Set(b*count+i/in, j, float64(rows[i]))
		}
		if err := l.add(slices.Collect(slices.Chunk(rows, in))); err != nil {
			t.Fatal(err)
		}
	}
	total := 0.0
	for j := range in {
		mean := mat.Sum(all.ColView(j)) / (batches * count)
		if math.Abs(mean-l.mean[j]) > 1e-5 {
			t.Fatalf("the mean of input %d is %v, want %v", j, l.mean[j], mean)
		}
		for i := range batches * count {
			v := all.At(i, j) - mean
			all.Set(i, j, v)
			total += v * v / (batches * count)
		}
	}
	c, err := l.components()
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(c.Total/total-1) > 1e-5 { // sums of squares in float32 rows
		t.Errorf("all variance is %v, want %v", c.Total, total)
	}
	var svd mat.SVD
	svd.Factorize(all, mat.SVDNone)
	exact, have := 0.0, 0.0
	for i, s := range svd.Values(nil)[:k] {
		exact += s * s / (batches * count)
		direction := mat.NewVecDense(in, nil)
		for j := range in {
			direction.SetVec(j, float64(c.Directions[i*in+j]))
		}
		var y mat.VecDense
		y.MulVec(all, direction)
		of := mat.Dot(&y, &y) / (batches * count)
		have += of
		// One round a batch: what is not quite found loses in the second order.
		if math.Abs(of/c.Variances[i]-1) > 2e-2 {
			t.Errorf("component %d has the variance %v, and says %v", i, of, c.Variances[i])
		}
	}
	t.Logf("captured %.6f of the best", have/exact)
	if have < 0.998*exact || have > 1.0001*exact {
		t.Errorf("%d components have %v of the variance, the best %v", k, have, exact)
	}
	if err := l.add(nil); err != nil {
		t.Errorf("no row: %v", err)
	}
	bad := make([]float32, count*in)
	bad[7] = float32(math.Inf(1))
	if l.add(slices.Collect(slices.Chunk(bad, in))) == nil {
		t.Error("a row that is not finite was taken in")
	}
}
