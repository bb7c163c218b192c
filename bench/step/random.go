package step

import (
	"hash/fnv"
	"math/rand/v2"
	"strings"

	"github.com/lowrank/lowrank/nn"
)

// random is a source of tensors that follow from the seed and their names:
// normal with deviation 0.02, norms at one, biases at zero.
func random(seed uint64) nn.Source {
	return nn.Floats(func(name string, shape ...int) ([]float32, error) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x := make([]float32, n)
		norm := strings.Contains(name, "norm") || strings.Contains(name, "Norm")
		switch {
		case strings.HasSuffix(name, ".bias"):
		case norm && len(shape) == 1:
			for i := range x {
				x[i] = 1
			}
		default:
			h := fnv.New64a()
			h.Write([]byte(name))
			rng := rand.New(rand.NewPCG(seed, h.Sum64()))
			for i := range x {
				x[i] = float32(0.02 * rng.NormFloat64())
			}
		}
		return x, nil
	})
}
