package probe_test

import (
	"fmt"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/adapter"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/probe"
	"github.com/lowrank/lowrank/nn"
)

// The change of a weight of rank 2 with singular values 6 and 2.
func Example() {
	m, err := adapter.New(nn.NewLinear("q_proj", 3, 3, make([]float32, 9)), 0, 1, delta.LoRA{}, nil, 2, 4)
	if err != nil {
		fmt.Println(err)
		return
	}
	copy(m.Factor("A").Floats(), []float32{0, 1, 0, 1, 0, 0})
	copy(m.Factor("B").Floats(), []float32{3, 0, 0, 0, 0, 1})
	m.Forward(&nn.Context{Tape: ag.NewTape()}, ag.NewVariable(1, 3, nil))

	p := probe.New([]*adapter.Map{m})
	rows, err := p.After(1, probe.Tier1)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range rows {
		if row.Layer != m.Name {
			continue // an aggregate
		}
		switch row.Name {
		case "sigma_1", "sigma_2", "nuclear_norm", "stable_rank", "effective_rank":
			fmt.Printf("%s %s %.3f\n", row.Layer, row.Name, row.Value)
		}
	}
	// Output:
	// q_proj sigma_1 6.000
	// q_proj sigma_2 2.000
	// q_proj nuclear_norm 8.000
	// q_proj effective_rank 1.755
	// q_proj stable_rank 1.111
}
