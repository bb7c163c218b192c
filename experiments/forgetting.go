package experiments

import (
	"context"
	"math"
	"slices"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora/probe"
	"github.com/lowrank/lowrank/nn"
)

// general returns the exam on the text that the base was made for, if there is
// one.
func (f *feed) general() (exam, bool) {
	i := slices.IndexFunc(f.exams, func(e exam) bool { return e.name == "base" })
	if i < 0 {
		return exam{}, false
	}
	return f.exams[i], true
}

// forgettingBatches is how many batches forgetting is measured on at most.
const forgettingBatches = 4

// shadow is the base model itself, for a while, on batches of the run's shape.
func (t *training) shadow() (nn.Model, *graph, error) {
	c := t.Config.Train
	model := t.Setting.Base.Clone()
	g, err := newGraph(model, forwardOnly(t.Setting.feed.open(c.Batch, c.Tokens)), 1)
	return model, g, err
}

// forgetting compares the model with its base on held-out text of the base's own
// kind, batch by batch.
func (t *training) forgetting() (f probe.Forgetting, err error) {
	e, _ := t.Setting.feed.general()
	_, base, err := t.shadow()
	if err != nil {
		return f, err
	}
	most := forgettingBatches
	if n := t.Config.Eval.Batches; n > 0 {
		most = min(most, n)
	}
	batches := e.batches(t.eval.rows, most)
	labels := 0
	for i := range batches {
		for _, g := range []*graph{base, t.eval} {
			if _, err := e.fill(g.batch, i, batches); err != nil {
				return f, err
			}
		}
		was, err := base.forward()
		if err != nil {
			return f, err
		}
		is, err := t.eval.forward()
		if err != nil {
			return f, err
		}
		f.Base, f.Loss = f.Base+was, f.Loss+is
		kl, n := divergence(ag.Floats(base.logits), ag.Floats(t.eval.logits), t.eval.labels.Classes)
		f.KL += kl
		labels += n
	}
	n := float64(max(labels, 1))
	return probe.Forgetting{Loss: f.Loss / n, Base: f.Base / n, KL: f.KL / n}, nil
}

// divergence sums KL(p ‖ q) over the rows that have a label, for the logits of p
// and q, and counts them.
func divergence(p, q []float32, labels []int32) (sum float64, rows int) {
	classes := len(p) / max(len(labels), 1)
	for i, label := range labels {
		if label < 0 {
			continue
		}
		a, b := p[i*classes:][:classes], q[i*classes:][:classes]
		la, lb := logSum(a), logSum(b)
		for j, z := range a {
			x := float64(z) - la
			sum += math.Exp(x) * (x - (float64(b[j]) - lb))
		}
		rows++
	}
	return sum, rows
}

// logSum is log Σ exp z.
func logSum(z []float32) float64 {
	most := float64(slices.Max(z))
	var sum float64
	for _, v := range z {
		sum += math.Exp(float64(v) - most)
	}
	return most + math.Log(sum)
}

const (
	trainedWhole probe.Undefined = "modules of the base are trained whole beside the adapters"
	tiedWeight   probe.Undefined = "an adapted weight is that of another map too"
)

// ray is the loss over the probe batch with the weights W0 + at·(W' − W0).
func (t *training) ray(at float64) (float64, error) {
	if len(t.set.Wholes) > 0 {
		return 0, trainedWhole
	}
	if a, _ := t.set.Tied(); a != "" {
		return 0, tiedWeight
	}
	model := t.Setting.Base.Clone()
	linears := map[string]*nn.Linear{}
	for _, l := range model.Linears() {
		linears[l.Name] = l
	}
	between := func(from, to []float32) []float32 {
		w := make([]float32, len(to))
		for i, v := range to {
			w[i] = float32((1-at)*float64(from[i]) + at*float64(v))
		}
		return w
	}
	for _, m := range t.set.Maps {
		w, err := m.Merged()
		if err != nil {
			return 0, err
		}
		bias, err := m.MergedBias()
		if err != nil {
			return 0, err
		}
		l := linears[m.Name]
		l.SetWeight(between(m.W0(), w))
		if bias != nil {
			copy(l.Bias.Floats(), between(l.Bias.Floats(), bias))
		}
	}
	c := t.Config.Train
	g, err := newGraph(model, forwardOnly(t.Setting.feed.open(c.Batch, c.Tokens)), 1)
	if err != nil {
		return 0, err
	}
	if err := t.Setting.feed.draw(g.batch, probeSeed, probeStream, 0); err != nil {
		return 0, err
	}
	s, err := g.evaluate(context.Background(), exam{
		batches: func(int, int) int { return 1 },
		fill:    func(b *batch, _, _ int) (int, error) { return b.rows, nil },
	}, 1)
	if err != nil {
		return 0, err
	}
	return s.mean(), nil
}
