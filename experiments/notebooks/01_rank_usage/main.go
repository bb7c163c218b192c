// The notebook 01_rank_usage asks how much of the rank that it is given an
// adapter uses.
package main

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/experiments"
	"github.com/lowrank/lowrank/experiments/notebooks"
	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/experiments/report/chart"
	"github.com/lowrank/lowrank/experiments/study"
	"github.com/lowrank/lowrank/experiments/sweep"
	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/probe"
	"github.com/lowrank/lowrank/nn"
)

//go:embed main.go
var source string

func main() { notebooks.Main("01_rank_usage", source, rankUsage) }

func rankUsage(ctx context.Context, nb *notebooks.Notebook) error {
	// # How much of its rank does an adapter use?
	//
	// A LoRA adapter of rank *r* changes a weight by ΔW = s·B·A, a matrix of
	// rank at most *r*. Whether training makes use of all *r* directions is
	// another matter: most of ΔW may lie in a few of them.
	//
	// With the singular values σ₁ ≥ … ≥ σᵣ of ΔW, and pᵢ = σᵢ/Σσ, we measure
	//
	// - the **effective rank** exp(−Σ pᵢ·ln pᵢ) (Roy and Vetterli, EUSIPCO 2007):
	//   *r* if all σ are equal, 1 if one stands alone;
	// - the **rank usage**, effective rank / *r*;
	// - the **stable rank** ‖ΔW‖²/σ₁² (Rudelson and Vershynin, J. ACM 2007),
	//   which small singular values hardly move.
	//
	// A low value means little by itself: a product of two random factors has
	// unequal singular values too. So everything is compared with **noise**,
	// adapters of the same shapes whose A and B are independent normal numbers.

	// ## Design
	//
	// The base is the small decoder of `lowrank study --quick`, pretrained here on
	// prose and adapted to Go source. LoRA stands on every linear map of the
	// blocks, at each rank with α = *r*, so that s = α/*r* = 1 and nothing but the
	// rank differs. rsLoRA (s = α/√*r*) and PiSSA (which starts from the weight's
	// first singular directions) join at one rank.

	s := study.Quick()
	ranks, seeds, lr := []int{1, 2, 4, 8, 16, 32}, []uint64{1, 2, 3}, 1e-2
	others, otherRank := []string{"rslora", "pissa"}, 16
	s.Template.Train.Steps, s.Template.Probe, s.Template.Eval.Batches = 300, experiments.Probe{Tier0: 20, Tier1: 20}, 8
	if nb.Short { // the same path in seconds; its numbers mean nothing
		ranks, seeds, otherRank = []int{2, 8}, seeds[:1], 8
		m := &s.Pretraining.Model
		m.HiddenSize, m.IntermediateSize, m.NumHiddenLayers, m.HeadDim = 32, 64, 1, 16
		s.Pretraining.Steps, s.Template.Train.Steps, s.Template.Eval.Batches = 30, 20, 1
	}
	last, low, high := s.Template.Train.Steps, ranks[0], ranks[len(ranks)-1]

	c := s.Template.Train
	setting, err := experiments.OpenSetting(ctx, nb.Dir, s.Template, s.Pretraining, nb.Progress.Pretraining)
	if err != nil {
		return err
	}
	before, _, err := setting.BaseLosses(c.Batch, c.Tokens, s.Template.Eval.Batches)
	if err != nil {
		return err
	}
	nb.Printf("base model: %d parameters, held-out loss on Go source %.3f nats a byte\n", nn.Parameters(setting.Base), before)
	nb.Printf("each run: %d steps of %d × %d bytes, AdamW, learning rate %g (%s), no weight decay\n", c.Steps, c.Batch, c.Tokens, lr, c.Schedule)

	// ## Runs
	//
	// Every run is recorded in a folder of its own beside this notebook; what is
	// there already is not trained again. All have the same learning rate, 10⁻²,
	// so that ranks are compared like for like.

	train := func(method string, rank int, lr float64, seeds []uint64) (table, error) {
		t := *s.Template
		t.Rank, t.Alpha = rank, float64(rank)
		grid := &sweep.Grid{Template: &t, Methods: []string{method}, LRs: []float64{lr}, Seeds: seeds}
		dir := filepath.Join(nb.Dir, "runs", fmt.Sprintf("rank%d", rank))
		runs, err := sweep.Run(ctx, setting, grid, dir, runtime.GOMAXPROCS(0), nb.Progress)
		if err != nil {
			return nil, err
		}
		return read(dir, runs)
	}
	var rows table
	for _, rank := range ranks {
		trained, err := train("lora", rank, lr, seeds)
		if err != nil {
			return err
		}
		random, err := noise(setting.Base, rank, seeds, last)
		if err != nil {
			return err
		}
		rows = slices.Concat(rows, trained, random)
	}
	for _, method := range others {
		trained, err := train(method, otherRank, lr, seeds)
		if err != nil {
			return err
		}
		rows = append(rows, trained...)
	}
	final := func(method string, rank int) where { return where{method: method, rank: rank, step: last} }

	// Is 10⁻² a sensible rate? The lowest and the highest rank at about a third
	// and three times of it, with one seed. Ranks differ in the rate that is best
	// for them; one for all is a compromise. (Rank usage: median over the adapters
	// [first and third quartile].)

	var lines [][]string
	elsewhere := map[float64]float64{} // rank usage at the highest rank, by learning rate
	lrs := []float64{3.16e-3, lr, 3.16e-2}
	for _, rank := range []int{low, high} {
		for _, lr := range lrs {
			tried, err := train("lora", rank, lr, seeds[:1])
			if err != nil {
				return err
			}
			usage := tried.values(final("lora", rank), "rank_usage")
			_, elsewhere[lr], _ = notebooks.Quartiles(usage)
			heldOut := tried.values(final("lora", rank), "eval_adapt_loss")
			lines = append(lines, []string{fmt.Sprint(rank), chart.Rate(lr), notebooks.Span(heldOut), notebooks.Spread(usage)})
		}
	}
	nb.Table([]string{"rank", "learning rate", "held-out loss", "rank usage"}, lines...)

	// ## By rank
	//
	// Median over all adapters and seeds [first and third quartile]; for the
	// held-out loss, in nats a byte, median over the seeds (lowest – highest).
	// PiSSA's ΔW is a difference of two products of rank *r*: its rank may be
	// 2*r*, its usage 2.

	describe := func(method string, rank int) []string {
		show := func(name string) string { return notebooks.Spread(rows.values(final(method, rank), name)) }
		return []string{method, fmt.Sprint(rank), show("effective_rank"), show("rank_usage"), show("stable_rank"),
			notebooks.Spread(rows.values(final("noise", rank), "effective_rank")), notebooks.Span(rows.values(final(method, rank), "eval_adapt_loss"))}
	}
	lines = nil
	for _, rank := range ranks {
		lines = append(lines, describe("lora", rank))
	}
	for _, method := range others {
		lines = append(lines, describe(method, otherRank))
	}
	nb.Table([]string{"method", "rank", "effective rank", "rank usage", "stable rank", "noise: effective rank", "held-out loss"}, lines...)

	curve := func(method string, style int, ranks ...int) chart.Series {
		s := chart.Series{Name: method, Style: style, Mark: true, Line: len(ranks) > 1}
		for _, rank := range ranks {
			add(&s, float64(rank), rows.values(final(method, rank), "effective_rank"))
		}
		return s
	}
	ends := []float64{float64(low), float64(high)}
	curves := []chart.Series{
		{Name: "all of the rank", Style: 22, Line: true, X: ends, Y: ends},
		curve("noise", 14, ranks...),
		curve("lora", 0, ranks...),
	}
	for i, method := range others {
		curves = append(curves, curve(method, i+1, otherRank))
	}
	nb.Figure(chart.Plot{Title: "Effective rank of ΔW against the rank given", Width: 640, Height: 380, Legend: true,
		X: chart.Axis{Title: "rank r", Log: true}, Y: chart.Axis{Title: "effective rank", Log: true}, Series: curves}.SVG())

	// ## By kind of map
	//
	// Median effective rank of LoRA's ΔW. No ΔW has a higher rank than its
	// weight has rows or columns, whichever are fewer.

	header := []string{"map", "weight"}
	for _, rank := range ranks {
		header = append(header, fmt.Sprintf("r = %d", rank))
	}
	lines = nil
	for _, m := range setting.Base.Linears() {
		kind, first := strings.CutPrefix(m.Name, "model.layers.0.")
		if !first { // the same kinds again
			continue
		}
		line := []string{kind, fmt.Sprintf("%d×%d", m.Out, m.In)}
		for _, rank := range ranks {
			w := final("lora", rank)
			w.kind = kind
			_, median, _ := notebooks.Quartiles(rows.values(w, "effective_rank"))
			line = append(line, fmt.Sprintf("%.2f", median))
		}
		lines = append(lines, line)
	}
	nb.Table(header, lines...)

	// ## The spectrum
	//
	// Singular values of ΔW at the highest rank, relative to the first: median
	// and quartiles over adapters and seeds. A flat line would be a rank used
	// evenly, a steep fall a rank hardly used.

	spectrum := func(method string, style int) chart.Series {
		s := chart.Series{Name: method, Style: style, Line: true}
		first := rows.values(final(method, high), "sigma_1")
		for i := 1; i <= high; i++ {
			ratios := rows.values(final(method, high), fmt.Sprintf("sigma_%d", i))
			for n := range ratios {
				ratios[n] /= first[n]
			}
			add(&s, float64(i), ratios)
		}
		return s
	}
	nb.Figure(chart.Plot{Title: fmt.Sprintf("Spectrum of ΔW at rank %d", high), Width: 640, Height: 340, Legend: true,
		X: chart.Axis{Title: "i", Whole: true}, Y: chart.Axis{Title: "σᵢ / σ₁", Log: true},
		Series: []chart.Series{spectrum("noise", 14), spectrum("lora", 0)}}.SVG())

	// ## Over steps
	//
	// Median effective rank of LoRA's ΔW while it trains. B starts at zero, so
	// the first ΔW is one step of the optimizer.

	curves = nil
	for i, rank := range ranks {
		line := chart.Series{Style: i, Line: true, End: fmt.Sprintf("r = %d", rank)}
		for step := 0; step <= last; step += int(s.Template.Probe.Tier1) {
			add(&line, float64(max(step, 1)), rows.values(where{method: "lora", rank: rank, step: max(step, 1)}, "effective_rank"))
		}
		curves = append(curves, line)
	}
	nb.Figure(chart.Plot{Title: "Effective rank of ΔW over steps", Width: 640, Height: 340,
		X: chart.Axis{Title: "step", Whole: true}, Y: chart.Axis{Title: "effective rank", Log: true}, Series: curves}.SVG())

	// ## Conclusion
	//
	// Computed from the runs above, in terms of each seed's median over its
	// adapters. An order of ranks counts only where it holds for every choice of
	// seeds: the lowest value of one rank lies above the highest of the next.

	bySeed := func(method string, rank int, name string) (medians []float64) {
		for _, seed := range seeds {
			w := final(method, rank)
			w.seed = seed
			_, median, _ := notebooks.Quartiles(rows.values(w, name))
			medians = append(medians, median)
		}
		return medians
	}
	var usage, effective, heldOut [][]float64
	var below []string
	for _, rank := range ranks {
		usage = append(usage, bySeed("lora", rank, "rank_usage"))
		effective = append(effective, bySeed("lora", rank, "effective_rank"))
		heldOut = append(heldOut, bySeed("lora", rank, "eval_adapt_loss"))
		if trend([][]float64{bySeed("noise", rank, "effective_rank"), effective[len(effective)-1]}) == falls {
			below = append(below, fmt.Sprint(rank))
		}
	}
	top := len(ranks) - 1
	nb.Printf("Rank usage %s as the rank grows: %s at rank %d, %s at rank %d.\n", trend(usage), notebooks.Span(usage[0]), low, notebooks.Span(usage[top]), high)
	nb.Printf("The effective rank itself %s: %s at rank %d, %s at rank %d.\n", trend(effective), notebooks.Span(effective[0]), low, notebooks.Span(effective[top]), high)
	nb.Printf("Noise has %s at rank %d. LoRA's lies below that of noise at the ranks: %s.\n",
		notebooks.Span(bySeed("noise", high, "effective_rank")), high, cmp.Or(strings.Join(below, ", "), "none"))
	nb.Printf("The stable rank at rank %d is %s.\n", high, notebooks.Span(bySeed("lora", high, "stable_rank")))
	reach := 0 // up to which rank each lowers the loss
	for reach < top && trend(heldOut[reach:reach+2]) == falls {
		reach++
	}
	nb.Printf("The held-out loss is %s at rank %d, %s at rank %d; it falls from each rank to the next up to rank %d.\n",
		notebooks.Span(heldOut[0]), low, notebooks.Span(heldOut[top]), high, ranks[reach])
	for _, method := range others {
		lora, other := bySeed("lora", otherRank, "rank_usage"), bySeed(method, otherRank, "rank_usage")
		nb.Printf("From LoRA to %s at rank %d the usage %s: %s, %s.\n", method, otherRank, trend([][]float64{lora, other}), notebooks.Span(lora), notebooks.Span(other))
	}
	nb.Printf("At other learning rates, one seed, the usage at rank %d is %.3f (%g) and %.3f (%g).\n",
		high, elsewhere[lrs[0]], lrs[0], elsewhere[lrs[2]], lrs[2])
	if trend(usage) == falls && len(seeds) > 1 {
		nb.Printf("\nSo in this setting a higher rank is used less evenly.\n")
		if reach > 0 {
			nb.Printf("Up to rank %d it lowered the loss all the same: a rank used unevenly is not a rank wasted.\n", ranks[reach])
		}
	}

	// What this does not show. One small base, one pair of texts, one optimizer
	// and a few hundred steps: a large pretrained model may need fewer directions
	// than a small one that has much to learn. The spectrum of ΔW says where the
	// change is large, not where it matters to the loss; cutting ΔW to its first
	// directions and measuring again would. With α = *r* and one learning rate
	// for all, a higher rank also takes larger steps in ΔW. And of two ranks that
	// do not differ, three seeds each still tell one from the other once in ten
	// times.

	return nil
}

// A row is one measurement of one run, or of noise.
type row struct {
	method string
	rank   int
	seed   uint64
	record.Metric
}

type table []row

// where says which rows are asked for; a zero field stands for any value.
type where struct {
	method string
	rank   int
	seed   uint64
	step   int
	kind   string // what the layer's name ends in
}

// values returns the named metric of the rows asked for, in their order.
func (t table) values(w where, name string) (out []float64) {
	for _, r := range t {
		if r.Name == name && (w.method == "" || r.method == w.method) && (w.rank == 0 || r.rank == w.rank) &&
			(w.seed == 0 || r.seed == w.seed) && (w.step == 0 || r.Step == w.step) && strings.HasSuffix(r.Layer, w.kind) && !r.Aggregate() {
			out = append(out, r.Value)
		}
	}
	return out
}

// read returns what the runs, which lie in dir, have recorded.
func read(dir string, runs []*record.Run) (t table, err error) {
	for _, r := range runs {
		if r.Status != record.Done {
			return nil, fmt.Errorf("%s: %s %s", filepath.Join(dir, r.ID), r.Status, r.Error)
		}
		metrics, err := record.ReadMetrics(filepath.Join(dir, r.ID))
		if err != nil {
			return nil, err
		}
		for _, m := range metrics {
			t = append(t, row{r.Method.Name, r.Rank, r.Seed, m})
		}
	}
	return t, nil
}

// noise measures adapters whose factors are independent normal numbers, as if
// they were a run's at the given step.
func noise(base nn.Model, rank int, seeds []uint64, step int) (t table, err error) {
	method, err := lora.Row("lora")
	if err != nil {
		return nil, err
	}
	for _, seed := range seeds {
		model := base.Clone()
		set, err := lora.Inject(model, method, lora.Options{Rank: rank, Alpha: float64(rank), Seed: seed})
		if err != nil {
			return nil, err
		}
		if err := ag.Guard(func() { // a probe reads what a forward pass has made of the factors
			model.Forward(&nn.Context{Tape: ag.NewTape(), Batch: 1, Tokens: 1, IDs: make([]int32, 1)})
		}); err != nil {
			return nil, err
		}
		random := rand.New(rand.NewPCG(seed, uint64(rank)))
		for _, m := range set.Maps {
			for _, f := range m.Factors {
				for i := range f.Floats() {
					f.Floats()[i] = float32(random.NormFloat64())
				}
			}
		}
		measured, err := probe.New(set.Maps).After(step, probe.Tier1)
		if err != nil {
			return nil, err
		}
		for _, r := range measured {
			t = append(t, row{"noise", rank, seed, record.Metric{Step: r.Step, Layer: r.Layer, Name: r.Name, Value: r.Value}})
		}
	}
	return t, nil
}

// add appends the median of values at x to a series, and their quartiles to
// its band.
func add(s *chart.Series, x float64, values []float64) {
	low, median, high := notebooks.Quartiles(values)
	s.X, s.Y, s.Low, s.High = append(s.X, x), append(s.Y, median), append(s.Low, low), append(s.High, high)
}

// What trend says.
const (
	falls   = "falls"
	rises   = "rises"
	neither = "goes in no one direction"
)

// trend says in which direction groups of values follow each other, if no two
// neighbours overlap.
func trend(groups [][]float64) string {
	down, up := true, true
	for i := range groups[1:] {
		down = down && slices.Min(groups[i]) > slices.Max(groups[i+1])
		up = up && slices.Max(groups[i]) < slices.Min(groups[i+1])
	}
	switch {
	case down:
		return falls
	case up:
		return rises
	}
	return neither
}
