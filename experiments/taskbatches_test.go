package experiments

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/nn"
)

// adaptedTask returns the setting's model with the adapters of a configuration.
func adaptedTask(t *testing.T, s *Setting, c *Config) (nn.Model, *lora.Set) {
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
	return model, set
}

// taskGradient is the gradient of a step of 8 examples, so many at a time.
func taskGradient(t *testing.T, s *Setting, c *Config, rows int) (gradient []float64, loss float64) {
	t.Helper()
	model, set := adaptedTask(t, s, c)
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
				forward(t, g)
				z := ag.Floats(g.logits)
				z = slices.Clone(z[:len(z)/rows])
				if losses == nil {
					losses = z
				}
				if n := min(len(z), len(losses)); !slices.Equal(z[:n], losses[:n]) { // the others may be longer
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

// unevenConfig is one for six steps of two batches of two examples whose lengths
// differ.
func unevenConfig(t *testing.T, k taskCase, method string) *Config {
	t.Helper()
	c := taskConfig(t, k)
	texts := opinions(64)
	for i, r := range texts {
		for _, field := range []string{"text", "prompt", "label"} {
			if text := r[field].(string); i%3 > 0 && (field != "label" || k.task == Seq2Seq) {
				r[field] = strings.Repeat(text+" ", 1+i%3)
			}
		}
	}
	c.Data.Train, c.Method.Name = dataFile(t, texts...), method
	c.Train.Tokens, c.Train.Steps, c.Train.Batch, c.Train.Accumulate, c.Train.LR = 40, 6, 2, 2, 1e-3
	return c
}

// A run on batches of any width that is cut off goes on bit for bit, dropout and all,
// though it meets the widths in another order.
func TestResumeOnBatchesOfAnyWidth(t *testing.T) {
	for _, k := range taskCases {
		if !slices.Contains([]string{"masked records", "classes", "targets"}, k.name) {
			continue
		}
		c := unevenConfig(t, k, "lora")
		c.Dropout, c.Eval.Every, c.Checkpoint.Every = 0.2, 2, 2
		c.Train.GroupByLength = k.name == "targets"
		r := taskRun(t, c)
		want := finish(t, r)
		for _, cut := range []int{2, 3, 5} {
			again := &Run{Setting: r.Setting, Config: c, Dir: filepath.Join(t.TempDir(), "run")}
			ctx, cancel := context.WithCancel(t.Context())
			again.Watch = func(step, _ int, _ float64) {
				if step == cut {
					cancel()
				}
			}
			if _, err := again.Do(ctx); !errors.Is(err, context.Canceled) {
				t.Fatalf("%s: cut at step %d: %v", k.name, cut, err)
			}
			again.Watch = nil
			wantSame(t, fmt.Sprintf("%s: cut at step %d", k.name, cut), finish(t, again), want)
			one, err := record.ReadRun(r.Dir)
			if err != nil {
				t.Fatal(err)
			}
			if two, err := record.ReadRun(again.Dir); err != nil || two.Train.Tokens != one.Train.Tokens {
				t.Errorf("%s: cut at step %d: of %d tokens, want %d, %v", k.name, cut, two.Train.Tokens, one.Train.Tokens, err)
			}
		}
	}
}

// Batches as wide as their longest example train and measure what batches do that are
// all as wide as the longest of all.
func TestBatchesOfAnyWidth(t *testing.T) {
	for _, k := range taskCases {
		if !slices.Contains([]string{"prompts", "masked records", "classes", "targets"}, k.name) {
			continue
		}
		for _, method := range []string{"lora", "dora", "full", "lora-ga", "corda-ipm", "lora-da"} {
			if k.name != "targets" && strings.Contains(method, "-") {
				continue
			}
			t.Run(k.name+"/"+method, func(t *testing.T) {
				t.Parallel()
				type key struct {
					step        int
					layer, name string
				}
				measure := func(wide bool) (map[key]float64, map[[2]int]bool, *record.Run) {
					c := unevenConfig(t, k, method)
					c.Eval.Every, c.Probe = 2, Probe{Tier0: 1, Tier1: 1, Tier2: 1, Tier3: 3}
					r := taskRun(t, c)
					widths := map[[2]int]bool{}
					open, draw := r.Setting.feed.open, r.Setting.feed.draw
					r.Setting.feed.open = func(rows, tokens int) *batch {
						b := open(rows, tokens)
						if wide {
							b.widest, b.forms = b.form, map[[2]int]form{}
							most := b.form.widths()
							for i := range most[0] + 1 {
								for j := range most[1] + 1 {
									b.forms[[2]int{i, j}] = b.form
								}
							}
						}
						return b
					}
					r.Setting.feed.draw = func(b *batch, seed uint64, stream string, index int) error {
						err := draw(b, seed, stream, index)
						widths[b.form.widths()] = true
						return err
					}
					rec, err := r.Do(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					rows, err := record.ReadMetrics(r.Dir)
					if err != nil {
						t.Fatal(err)
					}
					values := map[key]float64{}
					for _, m := range rows {
						values[key{m.Step, m.Layer, m.Name}] = m.Value
					}
					return values, widths, rec
				}
				want, one, wide := measure(true)
				have, some, narrow := measure(false)
				if len(one) != 1 || len(some) < 3 {
					t.Fatalf("batches have the widths %v and %v", one, some)
				}
				if len(have) != len(want) || len(want) == 0 {
					t.Errorf("have %d values, want %d", len(have), len(want))
				}
				for k, v := range want {
					if d := math.Abs(have[k] - v); have[k] != v && !(d <= 1e-3*math.Abs(v)+1e-6) {
						t.Errorf("step %d, %s %s: have %v, want %v", k.step, k.layer, k.name, have[k], v)
					}
				}
				if wide.Train.Tokens != narrow.Train.Tokens || narrow.Train.Tokens == 0 {
					t.Errorf("trained on %d tokens, want %d", narrow.Train.Tokens, wide.Train.Tokens)
				}
			})
		}
	}
}

// What is evaluated leaves no trace in the maps that are adapted, and each width of what
// is trained has its own losses of the layers.
func TestGraphsOfManyWidths(t *testing.T) {
	for _, k := range taskCases {
		if !slices.Contains([]string{"prompts", "classes", "targets"}, k.name) {
			continue
		}
		c := unevenConfig(t, k, "mola")
		s := openTask(t, c)
		model, set := adaptedTask(t, s, c)
		eval, err := newGraph(model, forwardOnly(s.feed.open(2, 0)), 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := eval.evaluate(t.Context(), s.feed.exams[0], 0); err != nil {
			t.Fatal(err)
		}
		for _, m := range set.Maps {
			if x, _, _, _ := m.Product(); x != nil {
				t.Errorf("%s: %s shows the graph of an evaluation", k.name, m.Name)
			}
		}
		train, err := newGraph(model, s.feed.open(2, 0), 1)
		if err != nil {
			t.Fatal(err)
		}
		losses := len(train.extra)
		widths := map[[2]int]bool{train.form.widths(): true}
		for i := range 64 {
			if err := s.feed.draw(train.batch, 1, "data", i); err != nil {
				t.Fatal(err)
			}
			forward(t, train)
			widths[train.form.widths()] = true
			if len(train.extra) != losses || losses == 0 {
				t.Errorf("%s: batch %d has %d losses of layers, the first %d", k.name, i, len(train.extra), losses)
			}
		}
		if len(train.all) != len(widths) || len(widths) < 3 || len(eval.all) < 3 {
			t.Errorf("%s: %d graphs of %d widths, %d of the evaluation", k.name, len(train.all), len(widths), len(eval.all))
		}
	}
}
