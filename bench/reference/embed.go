package reference

import (
	"math"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

// embed returns an embedding of length 1 for each text, one after the other: the
// mean of the last hidden states of its tokens.
func embed(m nn.Model, texts [][]int) ([]float32, error) {
	var all []float32
	for at := 0; at < len(texts); at += size {
		c := batch(texts[at:min(at+size, len(texts))])
		x, err := forward(m, c)
		if err != nil {
			return nil, err
		}
		_, width := ag.Dims(x)
		for b := range c.Batch {
			rows := ag.Floats(x)[b*c.Tokens*width:][:c.End[b]*width]
			all = append(all, unit(rows, width)...)
		}
	}
	return all, nil
}

// unit returns the sum of rows, of length 1, which is their mean of length 1.
func unit(rows []float32, width int) []float32 {
	sum := make([]float64, width)
	for i, v := range rows {
		sum[i%width] += float64(v)
	}
	square := 0.0
	for _, v := range sum {
		square += v * v
	}
	u := make([]float32, width)
	for i, v := range sum {
		u[i] = float32(v / math.Sqrt(square))
	}
	return u
}
