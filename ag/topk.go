package ag

import "github.com/lowrank/lowrank/kernels"

// TopKSoftmax is the gate of a mixture of experts: in each row the softmax
// over the k largest logits, and 0 for the others (arXiv 1701.06538, eq. 3).
// Of equal logits that of the lower index goes first. The gradient flows
// through the chosen logits only.
type TopKSoftmax struct {
	z      Tensor
	k      int
	chosen []int32   // M×k
	t      []float32 // M×k: their logits, then gates
	output
}

// NewTopKSoftmax returns the operator for logits z M×E and 1 ≤ k ≤ E; y is M×E.
func NewTopKSoftmax(z Tensor, k int) *TopKSoftmax {
	m, e := Dims(z)
	checkTopK("TopKSoftmax", m, e, k)
	return &TopKSoftmax{z: z, k: k, chosen: make([]int32, m*k), t: make([]float32, m*k), output: newOutput(m, e)}
}

func checkTopK(op string, m, e, k int) {
	if k < 1 || k > e {
		fail(op, "z is %d×%d, k is %d: k must be in 1..%d", m, e, k, e)
	}
}

func (f *TopKSoftmax) Operands() []Tensor { return []Tensor{f.z} }

func (f *TopKSoftmax) Forward() (Tensor, error) {
	z, m, e, k := Floats(f.z), f.y.rows, f.y.cols, f.k
	for i := range m {
		row, chosen := z[i*e:][:e], f.chosen[i*k:][:k]
		topK(row, chosen)
		for s, j := range chosen {
			f.t[i*k+s] = row[j]
		}
	}
	kernels.Softmax(m, k, f.t, k, f.t, k)
	clear(f.y.Floats())
	for i := range m {
		for s, j := range f.chosen[i*k:][:k] {
			f.y.Floats()[i*e+int(j)] = f.t[i*k+s]
		}
	}
	return f.y, nil
}

func (f *TopKSoftmax) Backward(gy Tensor) error {
	softmaxGrad(f.z, f.y, gy) // zero wherever y is
	return nil
}

// topK writes the indices of the len(chosen) largest values of z, the largest
// first and of equals the lower index first.
func topK(z []float32, chosen []int32) {
	n := 0
	for j, v := range z {
		at := n
		for at > 0 && v > z[chosen[at-1]] {
			at--
		}
		if at == len(chosen) {
			continue
		}
		n = min(n+1, len(chosen))
		copy(chosen[at+1:n], chosen[at:])
		chosen[at] = int32(j)
	}
}
