package main

import (
	"math"

	"gonum.org/v1/gonum/stat"

	"github.com/lowrank/lowrank/experiments/notebooks"
	"github.com/lowrank/lowrank/experiments/report/chart"
	"github.com/lowrank/lowrank/lora"
)

// A rule says how learning rates go with the width: from one width on, that of A
// falls as n^(−a), that of B, which is there ratio times as high, as n^(−b).
type rule struct {
	name     string
	a, b     float64
	ratio    float64
	rootRank bool // rsLoRA
}

// rates returns the learning rate of A and how many times as high that of B is, at
// width n, if it is lr at the width from.
func (r rule) rates(n, from int, lr float64) (a, ratio float64) {
	times := float64(n) / float64(from)
	return lr * math.Pow(times, -r.a), r.ratio * math.Pow(times, r.a-r.b)
}

func (r rule) method(ratio float64) (lora.Method, error) {
	recipe := lora.Recipe{Update: "lora-plus", Options: map[string]float64{"ratio": ratio}}
	if r.rootRank {
		recipe.Delta = "rslora"
	}
	return lora.Compose(recipe)
}

// exponent is that of n in δ1, δ2 or δ3 by the theory.
func (r rule) exponent(part int) float64 {
	if part == 1 {
		return 0 - r.b
	}
	return 1 - r.a - r.b
}

// slope is that of ln y against ln n.
func slope(widths []int, y []float64) float64 {
	var lx, ly []float64
	for i, n := range widths {
		lx, ly = append(lx, math.Log(float64(n))), append(ly, math.Log(y[i]))
	}
	_, slope := stat.LinearRegression(lx, ly, nil, false)
	return slope
}

// of lists what value gives for each seed.
func of(all []parts, value func(parts) float64) (values []float64) {
	for _, p := range all {
		values = append(values, value(p))
	}
	return values
}

// add appends the median of values at a width to a series, and their quartiles to
// its band.
func add(s *chart.Series, n int, values []float64) {
	low, median, high := notebooks.Quartiles(values)
	s.X, s.Y, s.Low, s.High = append(s.X, float64(n)), append(s.Y, median), append(s.Low, low), append(s.High, high)
}
