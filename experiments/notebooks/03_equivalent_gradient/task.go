package main

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/experiments/notebooks/mlp"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/probe"
)

// A task is a teacher to learn, with the options of its students.
type task struct {
	*mlp.Problem
	opt lora.Options
}

// newTask draws a network, and a teacher that differs from it in each map by a
// change of the rank, half as large as the map.
func newTask(widths []int, rank, samples int, seed uint64) task {
	rng := rand.New(rand.NewPCG(seed, 3))
	normal := func(n int, std float64) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = std * rng.NormFloat64()
		}
		return v
	}
	narrow := func(v []float64) []float32 {
		f := make([]float32, len(v))
		for i := range v {
			f[i] = float32(v[i])
		}
		return f
	}
	student := &mlp.Problem{Samples: samples, X: narrow(normal(samples*widths[0], 1))}
	teacher := &mlp.Problem{Samples: samples, X: student.X}
	for i, in := range widths[:len(widths)-1] {
		out := widths[i+1]
		w := normal(out*in, math.Sqrt(2/float64(in))) // keeps the size of what goes through a ReLU
		student.Maps = append(student.Maps, mlp.Map{Out: out, In: in, W: narrow(w)})
		w0 := mat.NewDense(out, in, w)
		var change mat.Dense
		change.Mul(mat.NewDense(out, rank, normal(out*rank, 1)), mat.NewDense(rank, in, normal(rank*in, 1)))
		change.Scale(0.5*mat.Norm(w0, 2)/mat.Norm(&change, 2), &change)
		w0.Add(w0, &change)
		teacher.Maps = append(teacher.Maps, mlp.Map{Out: out, In: in, W: narrow(w)})
	}
	student.Y = teacher.Outputs()
	return task{student, lora.Options{Rank: rank, Alpha: float64(rank), Seed: seed}}
}

// first returns the captured energy of map k at the start of plain LoRA, as the
// probe has it and as ‖G·P_A‖²/‖G‖².
func (t task) first(k int) (measured, direct float64, err error) {
	method, err := lora.Row("lora")
	if err != nil {
		return 0, 0, err
	}
	run, err := t.Start(method, t.opt, 1)
	if err != nil {
		return 0, 0, err
	}
	rows, err := run.Measure(probe.Tier2)
	if err != nil {
		return 0, 0, err
	}
	gradients, err := t.Gradients()
	if err != nil {
		return 0, 0, err
	}
	m := run.Set.Maps[k]
	measured = math.NaN()
	for _, r := range rows {
		if r.Layer == m.Name && r.Name == "captured_energy" {
			measured = r.Value
		}
	}
	if math.IsNaN(measured) {
		return 0, 0, fmt.Errorf("%s: no captured energy: %v", m.Name, run.Probe.Undefined())
	}
	wide := func(rows, cols int, v []float32) *mat.Dense {
		d := mat.NewDense(rows, cols, nil)
		for i, x := range v {
			d.Set(i/cols, i%cols, float64(x))
		}
		return d
	}
	var qr mat.QR
	var q, onto mat.Dense
	qr.Factorize(wide(m.Rank, m.In, m.Factor("A").Floats()).T())
	qr.QTo(&q)
	g := wide(m.Out, m.In, gradients.Of(m))
	onto.Mul(g, q.Slice(0, m.In, 0, m.Rank))
	return measured, math.Pow(mat.Norm(&onto, 2)/mat.Norm(g, 2), 2), nil
}
