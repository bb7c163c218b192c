package lora_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/optim"
)

// Three steps of AdaLomo on a regression change the weight by what its paper's
// algorithm does in float64, and the weight is as it was afterwards, in whatever
// format it is kept.
func TestWarmUp(t *testing.T) {
	const out, in, rows, batches, lr = 5, 7, 9, 3, 0.02
	rng := rand.New(rand.NewPCG(1, 2))
	draw := func(rows, cols int) *mat.Dense {
		m := mat.NewDense(rows, cols, nil)
		for i := range rows {
			for j := range cols {
				m.Set(i, j, float64(float32(rng.NormFloat64())))
			}
		}
		return m
	}
	floats := func(m *mat.Dense) []float32 {
		var x []float32
		for _, v := range m.RawMatrix().Data {
			x = append(x, float32(v))
		}
		return x
	}
	var xs, ys []*mat.Dense
	for range batches {
		xs, ys = append(xs, draw(rows, in)), append(ys, draw(rows, out))
	}
	for _, dtype := range []kernels.Dtype{kernels.F32, kernels.BF16} {
		l := layer{nn.NewLinear("lin", out, in, floats(draw(out, in)))}
		if dtype == kernels.BF16 {
			words := make([]uint16, out*in)
			kernels.EncodeBF16(words, l.lin.W.Floats())
			l.lin.W.SetValues(ag.Values{Stored: &kernels.Stored{Format: dtype, Rows: out, Cols: in, Words: words}})
		}
		before := l.lin.W.Values()
		w0 := mat.NewDense(out, in, nil)
		for i, v := range l.lin.Weight() {
			w0.Set(i/in, i%in, float64(v))
		}
		loss := func(i int) error {
			c := &nn.Context{Tape: ag.NewTape()}
			y := l.lin.Forward(c, ag.NewVariable(rows, in, floats(xs[i])))
			return c.Backward(c.Run(ag.NewMeanSquare(y, floats(ys[i]))))
		}
		got, err := lora.WarmUp(l, nil, batches, optim.AdaLomo{}, lr, loss)
		if err != nil {
			t.Fatal(err)
		}

		w := mat.DenseCopyOf(w0)
		r, c := make([]float64, out), make([]float64, in)
		for step := range batches {
			var d, g mat.Dense
			d.Mul(xs[step], w.T())
			d.Sub(&d, ys[step])
			g.Mul(d.T(), xs[step])
			g.Scale(2./(rows*out), &g)
			beta := 1 - math.Pow(float64(step+1), -0.8)
			mean := 0.0
			for i := range r {
				n := mat.Norm(g.RowView(i), 2)
				r[i] = beta*r[i] + (1-beta)*n*n/in
				mean += r[i] / out
			}
			for j := range c {
				n := mat.Norm(g.ColView(j), 2)
				c[j] = beta*c[j] + (1-beta)*n*n/out
			}
			g.Apply(func(i, j int, v float64) float64 { return v / math.Sqrt(r[i]*c[j]/mean) }, &g)
			rms := func(m *mat.Dense) float64 { return mat.Norm(m, 2) / math.Sqrt(out*in) }
			g.Scale(lr*max(1e-3, rms(w))/max(1, rms(&g)), &g)
			w.Sub(w, &g)
		}
		w.Sub(w0, w)
		norm := mat.Norm(w, 2)
		for i, v := range got["lin"] {
			if d := math.Abs(float64(v) - w.At(i/in, i%in)); !(d <= 1e-5*norm) { // weights around one, to float32
				t.Errorf("%v: the weight loses %v at %d, want %v", dtype, v, i, w.At(i/in, i%in))
			}
		}

		check := func(when string) {
			t.Helper()
			after := l.lin.W.Values()
			if (before.Stored == nil) != (after.Stored == nil) || l.lin.W.RequiresGrad() || l.lin.W.HasGrad() {
				t.Errorf("%v: %s the weight is left in another format, trained or with a gradient", dtype, when)
			}
			for i, v := range l.lin.Weight() {
				if float64(v) != w0.At(i/in, i%in) {
					t.Fatalf("%v: %s the weight is left as %v at %d, was %v", dtype, when, v, i, w0.At(i/in, i%in))
				}
			}
		}
		check("after a warm-up")
		_, err = lora.WarmUp(l, nil, batches, optim.AdaLomo{}, lr, func(i int) error {
			if i == 2 {
				return errors.New("no more data")
			}
			return loss(i)
		})
		if err == nil || err.Error() != "lora: calibration batch 2: no more data" {
			t.Errorf("the error is %v", err)
		}
		check("after an error")
		if _, err = lora.WarmUp(l, nil, 1, optim.AdaLomo{}, lr, func(int) error { return nil }); err == nil || !strings.Contains(err.Error(), "batch 0: lin has no gradient") {
			t.Errorf("without a gradient the error is %v", err)
		}
	}
}

// A method calibrates by what its initializer wants.
func TestMethodCalibrate(t *testing.T) {
	of := func(name string) []float32 {
		m, err := lora.Row(name)
		if err != nil {
			t.Fatal(err)
		}
		l := layer{nn.NewLinear("lin", 2, 3, []float32{1, 2, 3, 4, 5, 6})}
		g, err := m.Calibrate(l, nil, 2, func(int) error {
			c := &nn.Context{Tape: ag.NewTape()}
			y := l.lin.Forward(c, ag.NewVariable(1, 3, []float32{1, -1, 2}))
			return c.Backward(c.Run(ag.NewMeanSquare(y, []float32{3, 0})))
		})
		if err != nil {
			t.Fatal(err)
		}
		return g["lin"]
	}
	// The outputs are 5 and 11, 2 and 11 off: their halves times x are the gradient.
	if g := of("lora-one"); !slices.Equal(g, []float32{2, -2, 4, 11, -11, 22}) {
		t.Errorf("the mean gradient is %v", g)
	}
	for i, x := range of("ft-warmstart-svd") {
		if want := []float32{1, -1, 1}[i%3]; !(x*want > 0 && x*want < 1e-3) {
			t.Errorf("the weight loses %v at %d", x, i)
		}
	}
}
