package ag

import "github.com/lowrank/lowrank/kernels"

// Balance is the load-balancing loss E·Σ_i f_i·P_i of a router over E experts
// (Switch Transformer, arXiv 2101.03961, eq. 4, and GShard for k > 1).
//
// P_i is the mean over tokens of softmax(z)_i and f_i the share of expert i:
// with k < E the number of tokens that choose it among their k largest logits,
// over the number of tokens, so that the loss is k at perfect balance; with
// k = E, where every token uses every expert, the mean gate P_i itself, and the
// loss has its minimum 1 there. f is a constant: the gradient flows through P.
// It is 0 for no tokens.
type Balance struct {
	z      Tensor
	m, e   int
	k      int
	chosen []int32   // k
	p      []float32 // M×E: softmax(z)
	f      []float32 // E
	output
}

// NewBalance returns the operator for logits z M×E and 1 ≤ k ≤ E; y is 1×1.
func NewBalance(z Tensor, k int) *Balance {
	m, e := Dims(z)
	checkTopK("Balance", m, e, k)
	return &Balance{
		z: z, m: m, e: e, k: k,
		chosen: make([]int32, k), p: make([]float32, m*e), f: make([]float32, e),
		output: newOutput(1, 1),
	}
}

func (f *Balance) Operands() []Tensor { return []Tensor{f.z} }

func (f *Balance) Forward() (Tensor, error) {
	f.y.Floats()[0] = 0
	if f.m == 0 {
		return f.y, nil
	}
	z := Floats(f.z)
	kernels.Softmax(f.m, f.e, z, f.e, f.p, f.e)
	f.shares(z)
	var loss float64
	for i := range f.m {
		loss += kernels.Dot(f.f, f.p[i*f.e:][:f.e])
	}
	f.y.Floats()[0] = float32(loss * float64(f.e) / float64(f.m))
	return f.y, nil
}

// shares computes f.
func (f *Balance) shares(z []float32) {
	clear(f.f)
	for i := range f.m {
		if f.k == f.e {
			kernels.Add(f.f, f.f, f.p[i*f.e:][:f.e])
			continue
		}
		topK(z[i*f.e:][:f.e], f.chosen)
		for _, j := range f.chosen {
			f.f[j]++
		}
	}
	kernels.Scale(1/float32(f.m), f.f)
}

func (f *Balance) Backward(gy Tensor) error {
	if !f.z.RequiresGrad() {
		return nil
	}
	s := Floats(gy)[0] * float32(f.e) / float32(max(f.m, 1))
	Accumulate(f.z, func(dz []float32, acc bool) {
		if !acc {
			clear(dz)
		}
		for i := range f.m {
			p := f.p[i*f.e:][:f.e]
			mean := float32(kernels.Dot(f.f, p))
			for j, pj := range p {
				dz[i*f.e+j] += s * pj * (f.f[j] - mean)
			}
		}
	})
	return nil
}
