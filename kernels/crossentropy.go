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
	rowSpans(rows, n, func(from, to int) {
		for i := from; i < to; i++ {
			xi, t := logits[i*ld:i*ld+n], int(targets[i])
			switch {
			case t < 0:
				loss[i] = 0
				if dlogits != nil {
					clear(dlogits[i*ldd : i*ldd+n])
				}
			case dlogits == nil:
				top := maximum(xi)
				loss[i] = float32(math.Log(sumExp(xi, top)) - (float64(xi[t]) - float64(top)))
			default:
				di := dlogits[i*ldd : i*ldd+n]
				top, hit := maximum(xi), float64(xi[t])
				total := expShift(di, xi, 1, top)
				loss[i] = float32(math.Log(total) - (hit - float64(top)))
				// In float64, for a target near probability 1.
				dt := float32(float64(di[t])/total - 1)
				scale(di, float32(1/total), di)
				di[t] = dt
			}
		}
	})
}

// sumExp returns Σ exp(x_i - shift), in pieces that need no memory beside x.
func sumExp(x []float32, shift float32) float64 {
	var piece [512]float32
	var total float64
	for len(x) > 0 {
		n := min(len(x), len(piece))
		total += expShift(piece[:n], x[:n], 1, shift)
		x = x[n:]
	}
	return total
}
