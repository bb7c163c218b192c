package experiments

import (
	"fmt"

	"github.com/lowrank/lowrank/lora/adapter"
)

// An Adapted is what a configuration came to for one linear map; a run's
// adapters.json lists them.
type Adapted struct {
	Name    string   `json:"name"`
	Out     int      `json:"out"`
	In      int      `json:"in"`
	Rank    int      `json:"rank"`
	Scaling float32  `json:"scaling"`
	Factors []string `json:"factors"` // "A 8×128", with "frozen" where it is not trained
	Trained int      `json:"trained_parameters"`
}

// Describe lists what was made of each map.
func Describe(maps []*adapter.Map) []Adapted {
	list := make([]Adapted, len(maps))
	for i, m := range maps {
		list[i] = Adapted{Name: m.Name, Out: m.Out, In: m.In, Rank: m.Rank, Scaling: m.Scaling, Trained: m.TrainedParameters()}
		for _, f := range m.Factors {
			text := fmt.Sprintf("%s %d×%d", f.Name, f.Rows(), f.Cols())
			if !f.Trained {
				text += " frozen"
			}
			list[i].Factors = append(list[i].Factors, text)
		}
	}
	return list
}
