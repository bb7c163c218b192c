package optim

import (
	"math"

	"github.com/lowrank/lowrank/kernels"
)

// AdaLomo rewrites each update u, rows×cols, to one whose size follows that of
// the weight w (AdaLomo: Low-memory Optimization with Adaptive Learning Rate,
// arXiv 2310.10195, algorithm 1): with β = 1 − t^(−0.8) at step t,
//
//	R = β·R + (1-β)·mean over cols of (u² + 1e-30)
//	C = β·C + (1-β)·mean over rows of (u² + 1e-30)
//	u = u / √(R·C/mean(R))
//	u = u / max(1, RMS(u)) · max(1e-3, RMS(w))
//
// It keeps rows + cols values and no momentum: Adafactor (arXiv 1804.04235)
// without one. The paper fuses the step with the backward pass, so that no
// gradient outlives its layer: that saves memory and changes no value.
type AdaLomo struct{}

// Init makes zero means.
func (t AdaLomo) Init(g *Group) State {
	s := adaLomoState{}
	for _, p := range g.Params {
		s = append(s, &factored{
			name: p.Name,
			r:    make([]float32, p.Value.Rows()), c: make([]float32, p.Value.Cols()),
			sums: make([]float64, p.Value.Cols()),
		})
	}
	return s
}

type adaLomoState []*factored

// factored is the second moment of one matrix.
type factored struct {
	name string
	r, c []float32
	sums []float64 // of the columns
}

func (s adaLomoState) Step(g *Group, c Clock) {
	beta := 1 - math.Pow(float64(c.Step), -0.8)
	for i, p := range g.Params {
		s[i].step(p.Update, p.Value.Floats(), beta)
	}
}

func (f *factored) step(u, w []float32, beta float64) {
	const tiny = 1e-30
	rows, cols := len(f.r), len(f.c)
	clear(f.sums)
	var mean float64 // of R
	for i := range rows {
		var sum float64
		for j, x := range u[i*cols : (i+1)*cols] {
			square := float64(x)*float64(x) + tiny
			sum += square
			f.sums[j] += square
		}
		f.r[i] = float32(beta*float64(f.r[i]) + (1-beta)*sum/float64(cols))
		mean += float64(f.r[i]) / float64(rows)
	}
	for j, sum := range f.sums {
		f.c[j] = float32(beta*float64(f.c[j]) + (1-beta)*sum/float64(rows))
		f.sums[j] = math.Sqrt(float64(f.c[j]) / mean)
	}
	var norm float64
	for i := range rows {
		row := math.Sqrt(float64(f.r[i]))
		for j, x := range u[i*cols : (i+1)*cols] {
			v := float64(x) / (row * f.sums[j])
			norm += v * v
			u[i*cols+j] = float32(v)
		}
	}
	size := max(1e-3, rms(w)) / max(1, math.Sqrt(norm/float64(len(u))))
	for i, v := range u {
		u[i] = float32(size * float64(v))
	}
}

// rms is the root mean square of x.
func rms(x []float32) float64 {
	return math.Sqrt(kernels.SumSquares(x) / float64(len(x)))
}

func (s adaLomoState) Buffers() []Buffer {
	var all []Buffer
	for _, f := range s {
		all = append(all, Buffer{"adalomo.r." + f.name, f.r}, Buffer{"adalomo.c." + f.name, f.c})
	}
	return all
}
