package delta_test

import (
	"fmt"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/delta"
	"github.com/lowrank/lowrank/lora/loratest"
	"github.com/lowrank/lowrank/nn"
)

// The gradients of A, B and m are those of the paper's section 4.3 or, attached, of
// its equation 11, from the dense gradient G of W' in float64: rows
// dv_i = m_i/c_i·g_i, without their part along v_i where attached, and dm_i = g_i·v̂_i.
func TestDoRAGradient(t *testing.T) {
	const out, in, r, n = 5, 7, 3, 11
	for _, attached := range []bool{false, true} {
		m := adapted(t, delta.DoRA{Attached: attached}, out, in, r)
		x, target := ag.NewVariable(n, in, random(n*in)), random(n*out)
		c := &nn.Context{Tape: ag.NewTape()}
		y := m.Forward(c, x)
		if err := c.Tape.Backward(c.Run(ag.NewMeanSquare(y, target))); err != nil {
			t.Fatal(err)
		}
		dense := func(rows, cols int, x []float32) *mat.Dense {
			d := mat.NewDense(rows, cols, nil)
			for i, v := range x {
				d.Set(i/cols, i%cols, float64(v))
			}
			return d
		}
		s := float64(m.Scaling)
		a, b := dense(r, in, m.Factor("A").Floats()), dense(out, r, m.Factor("B").Floats())
		var v, w, g, dy mat.Dense
		v.Mul(b, a)
		v.Scale(s, &v)
		v.Add(&v, dense(out, in, m.W0()))
		w.CloneFrom(&v)
		norms := make([]float64, out)
		for i := range out {
			norms[i] = mat.Norm(v.RowView(i), 2)
			for j := range in {
				w.Set(i, j, v.At(i, j)*float64(m.Factor("M").Floats()[i])/norms[i])
			}
		}
		dx := dense(n, in, x.Floats())
		dy.Mul(dx, w.T())
		dy.Sub(&dy, dense(n, out, target))
		dy.Scale(2./(n*out), &dy)
		g.Mul(dy.T(), dx)
		dm, dv := mat.NewDense(1, out, nil), mat.NewDense(out, in, nil)
		for i := range out {
			along := mat.Dot(g.RowView(i), v.RowView(i)) / norms[i]
			dm.Set(0, i, along)
			for j := range in {
				k := g.At(i, j)
				if attached {
					k -= along * v.At(i, j) / norms[i]
				}
				dv.Set(i, j, k*float64(m.Factor("M").Floats()[i])/norms[i])
			}
		}
		var da, db mat.Dense
		da.Mul(b.T(), dv)
		da.Scale(s, &da)
		db.Mul(dv, a.T())
		db.Scale(s, &db)
		for _, f := range []struct {
			name string
			want *mat.Dense
		}{{"A", &da}, {"B", &db}, {"M", dm}} {
			factor := m.Factor(f.name)
			var off mat.Dense
			off.Sub(dense(factor.Rows(), factor.Cols(), factor.GradFloats()), f.want)
			if d := mat.Norm(&off, 2); !(d <= 1e-5*mat.Norm(f.want, 2)) { // float32 sums of 11
				t.Errorf("attached %t: the gradient of %s is off by %.2g of %.2g", attached, f.name, d, mat.Norm(f.want, 2))
			}
		}
	}
}

// The suite of methods on a form that no row of the table has.
func TestDoRAAttachedConforms(t *testing.T) {
	for _, start := range []string{"lora", "pissa"} {
		t.Run(fmt.Sprint("from ", start), func(t *testing.T) {
			m, err := lora.Compose(lora.Recipe{Method: "dora", Init: start, Options: map[string]float64{"attached": 1}})
			if err != nil {
				t.Fatal(err)
			}
			if d, ok := m.Delta.(delta.DoRA); !ok || !d.Attached {
				t.Fatalf("the option makes it %+v", m.Delta)
			}
			if err := loratest.Check(m); err != nil {
				t.Error(err)
			}
		})
	}
}
