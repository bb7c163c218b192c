package delta_test

import (
	"math"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/nn"
)

// Whatever the form, a map is x·W'ᵀ + b', with the weight and the bias that it would
// be merged into.
func TestBias(t *testing.T) {
	const rows, out, in, rank = 5, 7, 6, 3
	for _, d := range []adapter.Delta{
		delta.LoRA{}, delta.LoRA{Bias: true}, delta.DoRA{}, delta.SVD{}, delta.Core{}, delta.VeRA{}, delta.HiRA{}, delta.Full{},
	} {
		for _, biased := range []bool{true, false} {
			if d == (delta.LoRA{Bias: true}) && !biased {
				continue // there is nothing to merge its bias into
			}
			l := nn.NewLinear("lin", out, in, random(out*in))
			if biased {
				l.Bias = ag.NewVariable(1, out, random(out))
			}
			m, err := adapter.New(l, 0, 1, d, nil, rank, 8)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range m.Factors {
				copy(f.Floats(), random(len(f.Floats())))
			}
			x := ag.NewVariable(rows, in, random(rows*in))
			y := ag.Floats(m.Forward(&nn.Context{Tape: ag.NewTape()}, x))
			w := merged(t, m)
			bias, err := m.MergedBias()
			if err != nil {
				t.Fatal(err)
			}
			for i := range rows {
				for j := range out {
					want, size := 0.0, 0.0
					for k := range in {
						p := float64(x.Floats()[i*in+k]) * float64(w[j*in+k])
						want, size = want+p, size+math.Abs(p)
					}
					if bias != nil {
						want, size = want+float64(bias[j]), size+math.Abs(float64(bias[j]))
					}
					// Some ten roundings a sum, of terms that cancel within W'.
					if got := float64(y[i*out+j]); math.Abs(got-want) > 1e-5*(1+size) {
						t.Errorf("%T, bias %t: y[%d][%d] = %v, want %v", d, biased, i, j, got, want)
					}
				}
			}
		}
	}
}
