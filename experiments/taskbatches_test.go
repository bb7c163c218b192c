package experiments

import (
	"math"
	"slices"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/lora"
)

// taskGradient is the gradient of a step of 8 examples, so many at a time.
func taskGradient(t *testing.T, s *Setting, c *Config, rows int) (gradient []float64, loss float64) {
	t.Helper()
	model := s.Base.Clone()
	method, err := c.Check()
	if err != nil {
		t.Fatal(err)
	}
	set, err := lora.Inject(model, method, s.options(c))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range set.Maps {
		for i := range m.Factor("B").Floats() {
			m.Factor("B").Floats()[i] = float32(0.1 * math.Sin(float64(i)))
		}
	}
	config := *c
	config.Train.Batch, config.Train.Accumulate = rows, 8/rows
	g, err := newGraph(model, s.feed.open(rows, 0), 8/rows)
	if err != nil {
		t.Fatal(err)
	}
	step := &training{Run: &Run{Setting: s, Config: &config}, set: set, train: g, step: 3}
	if loss, err = step.gradients(); err != nil {
		t.Fatal(err)
	}
	for _, group := range set.Groups() {
		for _, p := range group.Params {
			for _, x := range p.Value.GradFloats() {
				gradient = append(gradient, float64(x))
			}
		}
	}
	return gradient, loss
}

// A step has the same gradient however it is split into passes: each label
// counts for its share of those of the whole step.
func TestAnySplitOfAStep(t *testing.T) {
	for _, k := range taskCases {
		t.Run(k.name, func(t *testing.T) {
			c := taskConfig(t, k)
			s := openTask(t, c)
			want, loss := taskGradient(t, s, c, 8)
			for _, rows := range []int{1, 2, 4} {
				have, other := taskGradient(t, s, c, rows)
				if len(have) != len(want) {
					t.Fatalf("%d gradients, want %d", len(have), len(want))
				}
				var distance, norm float64
				for i := range want {
					distance += (have[i] - want[i]) * (have[i] - want[i])
					norm += want[i] * want[i]
				}
				if relative := math.Sqrt(distance / norm); norm == 0 || !(relative <= 1e-5) {
					t.Errorf("%d rows at a time: the gradient is off by %.2g of its norm %.2g", rows, relative, math.Sqrt(norm))
				}
				if math.Abs(other-loss) > 1e-12*math.Abs(loss) {
					t.Errorf("%d rows at a time: the loss is %v, want %v", rows, other, loss)
				}
			}
		})
	}
}

// An example's logits do not know of the others in its batch: bit for bit. So
// a score does not depend on the size of a batch, and what is left over in the
// last one counts for nothing.
func TestScoresWhateverTheBatch(t *testing.T) {
	for _, k := range taskCases {
		t.Run(k.name, func(t *testing.T) {
			s := openTask(t, taskConfig(t, k))
			var want []measure
			var losses []float32
			for _, rows := range []int{16, 1, 5} {
				g, err := newGraph(s.Base.Clone(), s.feed.open(rows, 0), 1)
				if err != nil {
					t.Fatal(err)
				}
				score, err := g.evaluate(t.Context(), s.feed.exams[0], 0)
				if err != nil {
					t.Fatal(err)
				}
				have := score.measures()
				if want == nil {
					want = have
				}
				for i := range want {
					if have[i].name != want[i].name || math.Abs(have[i].value-want[i].value) > 1e-12*math.Abs(want[i].value) {
						t.Errorf("batches of %d: have %v, want %v", rows, have, want)
					}
				}
				// The first row of the first batch is the same example in all.
				if _, err := s.feed.exams[0].fill(g.batch, 0, s.feed.exams[0].batches(rows, 0)); err != nil {
					t.Fatal(err)
				}
				g.forward()
				z := ag.Floats(g.logits)
				z = slices.Clone(z[:len(z)/rows])
				if losses == nil {
					losses = z
				}
				if !slices.Equal(z, losses) {
					t.Errorf("the first row has other logits in a batch of %d", rows)
				}
			}
		})
	}
}

// Padding changes nothing: beside a longer example others have the same measures.
func TestPaddingIsNotSeen(t *testing.T) {
	for _, k := range taskCases {
		if k.name == "text" || k.name == "masked text" || k.name == "images" { // which have none, or are cut otherwise
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			c := taskConfig(t, k)
			c.Train.Tokens, c.Data.Eval, c.Data.HeldOut = 37, c.Data.Train, 0
			long := opinions(64)
			for _, field := range []string{"text", "prompt", "second"} {
				if text, ok := long[0][field].(string); ok {
					long[0][field] = text + " " + text + " " + text
				}
			}
			var want []measure
			width := 0
			for _, train := range []string{c.Data.Train, dataFile(t, long...)} {
				c.Data.Train = train
				s := openTask(t, c)
				b := s.feed.open(4, 0)
				if b.input.Tokens <= width {
					t.Fatalf("%d tokens beside the longer example, %d before", b.input.Tokens, width)
				}
				width = b.input.Tokens
				g, err := newGraph(s.Base.Clone(), b, 1)
				if err != nil {
					t.Fatal(err)
				}
				score, err := g.evaluate(t.Context(), s.feed.exams[0], 0)
				if err != nil {
					t.Fatal(err)
				}
				have := score.measures()
				if want == nil {
					want = have
				}
				for i := range want { // a sum over more keys, of which all but the same are 0
					if math.Abs(have[i].value-want[i].value) > 1e-5*math.Abs(want[i].value) {
						t.Errorf("%d tokens: have %v, want %v", width, have, want)
					}
				}
			}
		})
	}
}
