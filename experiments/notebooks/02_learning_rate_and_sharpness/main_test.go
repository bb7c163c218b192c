package main

import (
	"context"
	"math"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/lowrank/lowrank/experiments"
	"github.com/lowrank/lowrank/experiments/notebooks/notebookstest"
	"github.com/lowrank/lowrank/experiments/study"
	"github.com/lowrank/lowrank/lora"
)

// TestShortForm runs the whole experiment on a tiny base. rsLoRA of rank r has
// LoRA's factors and √r times its scaling: where B is zero, that is about r
// times the curvature.
func TestShortForm(t *testing.T) {
	text, _ := notebookstest.Short(t, source, rateAndSharpness, 6,
		// what λ says of a rule's speed, and what it does not say of its best rate
		"gradient descent, rate of half the gain: times λ^1 the methods lie closer together",
		"AdamW, best rate: times λ^1 the methods lie further apart",
	)
	row := regexp.MustCompile(`(?m)^ *(\w+) .*\) +([\d.]+) \(([\d.]+) – ([\d.]+)\)  \de`)
	ratio := map[string]float64{}
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		ratio[m[1]], _ = strconv.ParseFloat(m[2], 64)
	}
	if r := ratio["rslora"]; !(r > 3 && r < 4.2) { // between r^½, of the Hessian's mixed part, and r = 4, of B's
		t.Errorf("rsLoRA is %v times as sharp as LoRA at rank 4:\n%s", r, text)
	}
}

// A student can be taught again from its start, whatever it has done since.
func TestTeachAgain(t *testing.T) {
	s := study.Quick()
	m := &s.Pretraining.Model
	m.HiddenSize, m.IntermediateSize, m.NumHiddenLayers, m.HeadDim = 32, 88, 1, 16
	s.Pretraining.Steps, s.Pretraining.Batch = 2, 1
	setting, err := experiments.OpenSetting(context.Background(), t.TempDir(), s.Template, s.Pretraining, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := &lesson{rows: 2, tokens: 16, steps: 5, exam: 4, rank: 2, iterations: 8}
	if err := l.open(setting.Base, setting.Adapt); err != nil {
		t.Fatal(err)
	}
	method, err := lora.Row("dora")
	if err != nil {
		t.Fatal(err)
	}
	st, err := l.enrol(method, 1)
	if err != nil {
		t.Fatal(err)
	}
	first, err := st.learn(method.Update, 0.01)
	if err != nil || !(first < l.start) {
		t.Fatalf("the loss goes from %v to %v, %v", l.start, first, err)
	}
	if _, err := st.sharpness(); err != nil {
		t.Fatal(err)
	}
	if other, err := st.learn(method.Update, 1); err != nil || other == first {
		t.Errorf("another rate ends at %v, %v", other, err)
	}
	if again, err := st.learn(method.Update, 0.01); err != nil || again != first {
		t.Errorf("the second time the loss is %v, %v; the first time it was %v", again, err, first)
	}
}

// On a parabola in log lr the best rate is found between those of the grid.
func TestCurve(t *testing.T) {
	const best = -0.6
	lrs := quarters(-2, 1)
	losses := make([]float64, len(lrs))
	for i, lr := range lrs {
		losses[i] = 1 + 0.3*math.Pow(math.Log10(lr)-best, 2)
	}
	c := newCurve(lrs, losses, 3)
	if got := math.Log10(c.best); math.Abs(got-best) > 1e-9 {
		t.Errorf("best at 10^%v, want 10^%v", got, best)
	}
	if got := math.Log10(c.rate); math.Abs(got+0.5) > 1e-9 || c.loss != slices.Min(losses) {
		t.Errorf("best of the grid at 10^%v, %v", got, c.loss)
	}
	if got, want := c.cost(0.5, 3), losses[8]-c.loss; got != want {
		t.Errorf("half a decade above costs %v, want %v", got, want)
	}
	if c.limit != lrs[len(lrs)-1] {
		t.Errorf("the limit is %v", c.limit)
	}
	if got, want := math.Log10(c.reach((losses[1]+losses[2])/2)), -1.625; math.Abs(got-want) > 1e-9 {
		t.Errorf("it gets down to a loss between two rates of the grid at 10^%v, want 10^%v", got, want)
	}
	losses[7] = math.Inf(1) // the neighbour above the best
	if c := newCurve(lrs, losses, 3); c.best != lrs[6] || c.limit != lrs[6] || c.cost(0.25, 3) != 3-c.loss {
		t.Errorf("best %v, limit %v, cost %v; want the edge", c.best, c.limit, c.cost(0.25, 3))
	}
}

// Rates that go with a power of λ have that slope, and no spread when it is
// taken out.
func TestSpreadAndSlope(t *testing.T) {
	sharp := []float64{0.5, 1, 3, 40}
	var rates []float64
	for _, s := range sharp {
		rates = append(rates, 0.1*math.Pow(s, -0.5))
	}
	if got := slope(sharp, rates); math.Abs(got+0.5) > 1e-12 {
		t.Errorf("slope %v, want −½", got)
	}
	if got := spread(rates, sharp, 0.5); got > 1e-12 {
		t.Errorf("spread %v, want 0", got)
	}
	if got, want := spread(rates, sharp, 0), spread(rates, sharp, 1); math.Abs(got-want) > 1e-12 || got < 0.1 {
		t.Errorf("the spread is %v before and %v after: want them equal and large", got, want)
	}
}

func TestCompare(t *testing.T) {
	for _, test := range []struct {
		a, b []float64
		want string
	}{
		{[]float64{1, 2}, []float64{2, 3}, "below"},
		{[]float64{3, 4}, []float64{2, 3}, "above"},
		{[]float64{1, 4}, []float64{2, 3}, "neither"},
		{[]float64{1}, []float64{1}, "neither"},
	} {
		if got := compare(test.a, test.b, "below", "above", "neither"); got != test.want {
			t.Errorf("%v against %v: %s, want %s", test.a, test.b, got, test.want)
		}
	}
}
