package kernels

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// The fuzzers draw the trials of TestTrust from bytes: sizes, padding, options, the
// kind of values and the place of operands.

func FuzzMatMul(f *testing.F)           { fuzzKernels(f, "MatMul", "Pack+") }
func FuzzMatMulPackedPlus(f *testing.F) { fuzzKernels(f, "MatMulPackedPlus") }
func FuzzLowRank(f *testing.F)          { fuzzKernels(f, "LowRank") }
func FuzzLoops(f *testing.F) {
	fuzzKernels(f, "Add", "Scale", "GELU", "SiLU", "RoPE", "AdamW", "Dropout", "Exp", "Tanh", "Erf")
}
func FuzzSoftmax(f *testing.F)   { fuzzKernels(f, "Softmax", "CrossEntropy") }
func FuzzNorms(f *testing.F)     { fuzzKernels(f, "RMSNorm", "LayerNorm") }
func FuzzAttention(f *testing.F) { fuzzKernels(f, "Attention") }
func FuzzDtypes(f *testing.F) {
	fuzzKernels(f, "EncodeBF16", "EncodeF16", "QuantizeInt8", "QuantizeNF4", "QuantizeNF4Once")
}

// fuzzKernels fuzzes the kernels whose names begin with one of the prefixes, at all
// levels.
func fuzzKernels(f *testing.F, prefixes ...string) {
	var chosen []kernel
	for _, k := range kernels {
		for _, prefix := range prefixes {
			if strings.HasPrefix(k.name, prefix) {
				chosen = append(chosen, k)
				break
			}
		}
	}
	if len(chosen) < len(prefixes) {
		f.Fatalf("%d kernels of %v", len(chosen), prefixes)
	}
	for i := range byte(len(chosen)) {
		f.Add([]byte{i, 0, 0}, uint64(i))
		f.Add([]byte{i, 1, 9, 2, 5, 2, 16, 2, 8, 1, 0, 1, 3, 3, 3}, uint64(i))
		f.Add([]byte{i, 3, 63, 0, 0, 5, 1, 0, 1, 1, 1, 1}, uint64(i))
	}
	before := Active()
	f.Fuzz(func(t *testing.T, bytes []byte, seed uint64) {
		if len(bytes) < 3 {
			return
		}
		k := chosen[int(bytes[0])%len(chosen)]
		defer SetLevel(before)
		for _, l := range Levels() {
			if err := SetLevel(l); err != nil {
				t.Fatal(err)
			}
			err := k.try(func() decisions {
				return decisions{
					bytes: bytes[3:], Rand: rand.New(rand.NewPCG(seed, 1)),
					flavour: int(bytes[1]) % 4, shift: int(bytes[2]),
				}
			})
			if err != nil {
				t.Errorf("%v: %s: %v", l, k.name, err)
			}
		}
	})
}
