package probe

import (
	"math"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/kernels"
	"github.com/lowrank/lowrank/lora/internal/gram"
)

// features are what the step changed of the adapter's outputs Z = s·B·A·x, at
// the inputs x of the probe batch: with B, A before it,
//
//	Z' − Z = s·B·dA·x + s·dB·A·x + s·dB·dA·x = δ1 + δ2 + δ3
//
// (arXiv 2402.12354, section 3). No matrix of the outputs' size is formed:
// ‖δ1‖² = s²·<BᵀB, UᵀU> with U = x·dAᵀ.
type features struct {
	delta [3]float64 // root mean square of an entry
	z     float64    // of Z'
}

func (l *layer) features() (*features, error) {
	if err := l.visited(); err != nil {
		return &l.batch.feature.v, err
	}
	return l.batch.feature.get(l.p.tick, func(f *features) error {
		if gated(l.m) {
			return gatedFeatures
		}
		c, err := l.stepped()
		if err != nil {
			return err
		}
		now, err := l.now()
		if err != nil {
			return err
		}
		w, r, in := l.work, c.r, l.m.In
		x, da := ag.Floats(l.batch.x), l.steps().a.Data
		n := len(x) / in
		rows := l.rows(n)
		w.p, w.q, w.t = gram.Resize(w.p, n*r), gram.Resize(w.q, n*r), gram.Resize(w.t, r*r)
		size := func(a []float32, b []float64) float64 {
			kernels.MatMul(kernels.NT, false, n, r, in, x, in, a, in, w.p, r)
			for i := range n {
				if l.m.Padded(i, n) {
					clear(w.p[i*r : (i+1)*r])
				}
			}
			gram.Transpose(w.q, w.p, n, r)
			gram.Gram(w.t, gram.Rows{N: r, Dim: n, Data: w.q})
			return math.Abs(l.s) * math.Sqrt(nonNegative(gram.Dot(w.t, b))/float64(rows*l.m.Out))
		}
		f.delta[0] = size(da, c.bb)
		f.delta[2] = size(da, c.dbdb)
		f.delta[1] = size(l.before.a, c.dbdb)
		w.sb = gram.Resize(w.sb, r*r)
		gram.Gram(w.sb, now.bt)
		f.z = size(now.a.Data, w.sb)
		return nil
	})
}

// rows counts those of the probe batch, of n, that are no padding.
func (l *layer) rows(n int) (rows int) {
	for i := range n {
		if !l.m.Padded(i, n) {
			rows++
		}
	}
	return rows
}

const gatedFeatures Undefined = "the gates weigh the experts for every token, and change with the step"

// outputs are what the weight and its change make of the probe batch.
type outputs struct {
	base  float64 // root mean square of an entry of W0·x
	drift float64 // mean over rows of ‖ΔW·x‖ over that of ‖W0·x‖
}

// outputs computes them a few rows at a time, from the product y that the graph
// has: W0·x = y − ΔW·x, less the bias.
func (l *layer) outputs() (*outputs, error) {
	if err := l.visited(); err != nil {
		return &l.batch.outputs.v, err
	}
	return l.batch.outputs.get(l.p.tick, func(o *outputs) error {
		form, in, out, w := l.m.Form(), l.m.In, l.m.Out, l.work
		x, y := ag.Floats(l.batch.x), ag.Floats(l.batch.y)
		n, r := len(x)/in, 0
		if form.LowRank() {
			r, _ = ag.Dims(form.A)
			w.inner(l, n, r, x)
		}
		block := min(rowsAtOnce(out), n)
		w.x, w.y, w.z = gram.Resize(w.x, block*out), gram.Resize(w.y, block*out), gram.Resize(w.z, block*out)
		var squares, change, base float64
		for i := 0; i < n; i += block {
			m := min(block, n-i)
			z, w0 := w.x[:m*out], w.y[:m*out]
			rows := y[i*out : (i+m)*out]
			if l.batch.bias != nil {
				rows = w.z[:copy(w.z, rows)]
				for k := range m {
					kernels.Axpy(-1, ag.Floats(l.batch.bias), rows[k*out:(k+1)*out])
				}
			}
			if form.LowRank() {
				kernels.MatMul(kernels.NT, false, m, out, r, w.p[i*r:], r, ag.Floats(form.B), r, z, out)
				w.held(l, m, x[i*in:], z)
				subtract(w0, rows, z)
			} else {
				kernels.MatMul(kernels.NT, false, m, out, in, x[i*in:], in, l.m.W0(), in, w0, out)
				subtract(z, rows, w0)
			}
			if form.Gain != nil { // W'·x is the gain times y
				gain := ag.Floats(form.Gain)
				for j := range z {
					z[j] = gain[j%out]*rows[j] - w0[j]
				}
			}
			for k := range m {
				if l.m.Padded(i+k, n) {
					continue
				}
				own := kernels.SumSquares(w0[k*out : (k+1)*out])
				squares += own
				base += math.Sqrt(own)
				change += math.Sqrt(kernels.SumSquares(z[k*out : (k+1)*out]))
			}
		}
		o.base = math.Sqrt(squares / float64(l.rows(n)*out))
		o.drift = change / base
		if base == 0 {
			o.drift = math.NaN()
		}
		return nil
	})
}

// held adds to z, m×out, what the base does to x beside W0, but for what follows
// the factors.
func (w *workspace) held(l *layer, m int, x, z []float32) {
	in, out := l.m.In, l.m.Out
	for _, h := range l.m.Held() {
		r := h.Rank()
		w.q = gram.Resize(w.q, m*r)
		kernels.MatMul(kernels.NT, false, m, r, in, x, in, ag.Floats(h.A), in, w.q, r)
		kernels.Scale(float32(l.s), w.q)
		kernels.MatMul(kernels.NT, true, m, out, r, w.q, r, ag.Floats(h.B), r, z, out)
	}
}

// inner computes s·x·Aᵀ, with its gates, and with how many times the base follows
// it, into p.
func (w *workspace) inner(l *layer, n, r int, x []float32) {
	in := l.m.In
	w.p = gram.Resize(w.p, n*r)
	kernels.MatMul(kernels.NT, false, n, r, in, x, in, ag.Floats(l.m.Form().A), in, w.p, r)
	kernels.Scale(float32(l.s*l.times()), w.p)
	if g := l.m.Gates(); g != nil && gated(l.m) {
		_, experts := ag.Dims(g)
		gates := ag.Floats(g)
		for i := range w.p {
			w.p[i] *= gates[i/r*experts+i%r*experts/r]
		}
	}
}

var parts = [3]string{"δ1 = s·B·dA·x: what the step of A alone", "δ2 = s·dB·A·x: what the step of B alone", "δ3 = s·dB·dA·x: what both steps together"}

const featureCost = "6N·r·in + 2N·r·d"

// ofFeatures makes the metrics of δ1, δ2 and δ3: as they are, over Z' and over W0·x.
func ofFeatures() []Metric {
	var all []Metric
	for i, what := range parts {
		name := numbered("d", i+1)
		m := Metric{
			Name: name, Definition: "root mean square over the probe batch, padding left out, of " + what + " changed of Z = s·B·A·x", Source: "arXiv 2402.12354, section 3",
			Unit: "activation", Range: "[0, ∞)", Gauge: Invariant, Rescaling: Linear, Cost: featureCost, Tier: 2, Aggregate: Mean,
			value: func(l *layer) (float64, error) {
				f, err := l.features()
				return f.delta[i], err
			},
		}
		share := m
		share.Name, share.Definition, share.Unit, share.Rescaling = name+"_share", name+"/rms_z", "1", Unscaled
		share.value = func(l *layer) (float64, error) {
			f, err := l.features()
			if err != nil {
				return 0, err
			}
			return over(f.delta[i], f.z)
		}
		base := m
		base.Name, base.Definition, base.Unit = name+"_base", name+"/rms_base", "1"
		base.value = func(l *layer) (float64, error) {
			f, err := l.features()
			if err != nil {
				return 0, err
			}
			o, err := l.outputs()
			if err != nil {
				return 0, err
			}
			return over(f.delta[i], o.base)
		}
		all = append(all, m, share, base)
	}
	return all
}

var rmsZ = Metric{
	Name: "rms_z", Definition: "root mean square over the probe batch, padding left out, of the adapter's outputs s·B·A·x", Source: "arXiv 2402.12354, section 3",
	Unit: "activation", Range: "[0, ∞)", Gauge: Invariant, Rescaling: Linear, Cost: featureCost, Tier: 2, Aggregate: Mean,
	value: func(l *layer) (float64, error) {
		f, err := l.features()
		return f.z, err
	},
}

var rmsBase = Metric{
	Name: "rms_base", Definition: "root mean square over the probe batch, padding left out, of W0·x", Source: "arXiv 2402.12354, section 3",
	Unit: "activation", Range: "[0, ∞)", Gauge: Invariant, Rescaling: Unscaled, Cost: "2N·r·d (whole weights 2N·in·out)", Tier: 2, Aggregate: Mean,
	value: func(l *layer) (float64, error) {
		o, err := l.outputs()
		return o.base, err
	},
}

var functionalDrift = Metric{
	Name: "functional_drift", Definition: "mean of ‖W'·x − W0·x‖ over mean of ‖W0·x‖, x the rows of the probe batch that are no padding", Source: "arXiv 2410.21228",
	Unit: "1", Range: "[0, ∞)", Gauge: Invariant, Rescaling: Unsettled, Cost: "2N·r·d (whole weights 2N·in·out)", Tier: 2, Aggregate: Mean,
	value: func(l *layer) (float64, error) {
		o, err := l.outputs()
		if err == nil && math.IsNaN(o.drift) {
			return 0, zeroOverZero
		}
		return o.drift, err
	},
}
