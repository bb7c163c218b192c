package analyze

import (
	"math"
	"slices"
)

// An index finds values.
type index struct {
	at      map[[4]string]float64
	modules []string
}

func (r *Report) index() index {
	x := index{map[[4]string]float64{}, r.Modules}
	for _, v := range r.Values {
		x.at[[4]string{v.Adapter, v.Other, v.Module, v.Metric}] = float64(v.Value)
	}
	return x
}

// of returns a value, NaN where it is not defined.
func (x index) of(adapter, other, module, metric string) float64 {
	if v, ok := x.at[[4]string{adapter, other, module, metric}]; ok {
		return v
	}
	return math.NaN()
}

// all returns the values of the maps that have one, ascending.
func (x index) all(adapter, other, metric string) []float64 {
	var all []float64
	for _, m := range x.modules {
		if v := x.of(adapter, other, m, metric); !math.IsNaN(v) {
			all = append(all, v)
		}
	}
	slices.Sort(all)
	return all
}

// median returns the median over the maps that have a value.
func (x index) median(adapter, other, metric string) float64 {
	return middle(x.all(adapter, other, metric))
}

func middle(v []float64) float64 {
	slices.Sort(v)
	return quantile(v, 0.5)
}

// quantile interpolates between the values of an ascending list; NaN for none.
func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	at := q * float64(len(v)-1)
	i := int(at)
	if part := at - float64(i); part > 0 && v[i] < v[i+1] {
		return v[i] + part*(v[i+1]-v[i]) // infinite where the upper one is
	}
	return v[i]
}
