package kernels

import (
	"fmt"
	"math"
)

// CrossEntropy is the cross-entropy of each of rows rows of n logits with its
// target class, in nats, and its gradient:
//
//	loss_i      = log Σ_k exp(logits_ik) - logits_i,target_i
//	dlogits_ij  = softmax(logits_i)_j - (1 if j = target_i)
//
// A row whose target is negative is ignored: its loss and its gradient are 0. A
// nil dlogits is not computed; it may be logits itself. The caller scales by the
// number of rows that count. It panics if a target is n or more.
func CrossEntropy(rows, n int, logits []float32, ld int, targets []int32, loss []float32, dlogits []float32, ldd int) {
	checkSize("CrossEntropy", "rows", rows)
	checkSize("CrossEntropy", "n", n)
	checkMatrix("CrossEntropy", "logits", rows, n, logits, ld)
	if len(targets) < rows {
		panic(fmt.Sprintf("kernels: CrossEntropy: len(targets) = %d, need %d", len(targets), rows))
	}
	for i, t := range targets[:rows] {
		if int(t) >= n {
			panic(fmt.Sprintf("kernels: CrossEntropy: targets[%d] = %d, need less than %d", i, t, n))
		}
	}
	checkVector("CrossEntropy", "loss", rows, loss)
	if dlogits != nil {
		checkMatrix("CrossEntropy", "dlogits", rows, n, dlogits, ldd)
	}
	if rows == 0 || n == 0 { // without classes every row is ignored
		clear(loss[:rows])
		return
	}
	crossEntropySpans.rows(rows, n, crossEntropy{table{logits, ld, n}, targets, loss, table{dlogits, ldd, n}})
}

type crossEntropy struct {
	logits  table
	targets []int32
	loss    []float32
	dlogits table // of nil: not computed
}

var crossEntropySpans = spans[crossEntropy]{body: crossEntropy.run}

func (c crossEntropy) run(from, to int) {
	gradient := c.dlogits.x != nil
	for i := from; i < to; i++ {
		x, t := c.logits.row(i), int(c.targets[i])
		switch {
		case t < 0:
			c.loss[i] = 0
			if gradient {
				clear(c.dlogits.row(i))
			}
		case !gradient:
			top := maximum(x)
			c.loss[i] = float32(math.Log(sumExp(x, top)) - (float64(x[t]) - float64(top)))
		default:
			d := c.dlogits.row(i)
			top, hit := maximum(x), float64(x[t])
			total := expSum(d, x, top)
			c.loss[i] = float32(math.Log(total) - (hit - float64(top)))
			// In float64, for a target near probability 1.
			dt := float32(float64(d[t])/total - 1)
			scale(d, float32(1/total), d)
			d[t] = dt
		}
	}
}

// sumExp returns Σ exp(x_i - shift), in pieces that need no memory beside x.
func sumExp(x []float32, shift float32) float64 {
	var piece [512]float32
	var total float64
	for len(x) > 0 {
		n := min(len(x), len(piece))
		total += expSum(piece[:n], x[:n], shift)
		x = x[n:]
	}
	return total
}
