package probe

import (
	"testing"

	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/geometry"
)

// An A whose rows are singular vectors of W0 lies in their space, and in no other,
// whether W0 is decomposed as a whole or searched for the vectors.
func TestOverlapsOfPlantedVectors(t *testing.T) {
	const r = 2
	for _, size := range [][2]int{{small + 20, small + 40}, {middling + 8, middling + 4}} {
		m := newMap(t, delta.LoRA{}, nil, size[0], size[1], r)
		w0, err := geometry.Dense(m.W0(), m.Out, m.In)
		if err != nil {
			t.Fatal(err)
		}
		all, err := geometry.Decompose(w0)
		if err != nil {
			t.Fatal(err)
		}
		newRun(m) // builds the form
		n := len(all.S)
		for _, c := range []struct {
			first       int
			top, bottom float64
		}{{1, 1, 0}, {n - r, 0, 1}, {n / 2, 0, 0}} {
			a := m.Factor("A").Floats()
			for k := range r {
				for j := range m.In {
					a[k*m.In+j] = float32(all.V.At(j, c.first+k))
				}
			}
			v := measured(t, New([]*adapter.Map{m}), 0)
			// Float32 rounds A by 6e-8 of its entries, of which there are some hundred.
			near(t, v, "overlap_top4_right", c.top, 1e-5)
			near(t, v, "overlap_bottom_right", c.bottom, 1e-5)
		}
	}
}
