// The notebook 05_feature_learning_width asks what A and B learn in a step as
// networks get wider, with one learning rate and with two.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"math"

	"github.com/lowrank/lowrank/experiments/notebooks"
	"github.com/lowrank/lowrank/experiments/report/chart"
	"github.com/lowrank/lowrank/experiments/sweep"
)

//go:embed main.go
var source string

func main() { notebooks.Main("05_feature_learning_width", source, featureLearning) }

func featureLearning(ctx context.Context, nb *notebooks.Notebook) error {
	// # Do both factors learn when the network is wide?
	//
	// A step of A by dA and of B by dB changes the adapter's outputs Z = s·B·A·x by
	//
	// - δ1 = s·B·dA·x, what the step of **A** alone does,
	// - δ2 = s·dB·A·x, what the step of **B** alone does,
	// - δ3 = s·dB·dA·x, what both do together
	//
	// (LoRA+, Hayou, Ghosh and Yu, arXiv 2402.12354). Learning is *efficient* if
	// neither δ1 nor δ2 vanishes or explodes as the width n grows.
	//
	// The theory in short. An entry of Adam's step has the size of the
	// learning rate, whatever the gradient's. The rows of dA point where the inputs do: dA·x
	// sums n entries of one sign, ηA·n. After a few steps B has entries ηB. A starts
	// with entries n^(−1/2) of random sign: A·x stays as it is. So
	//
	// - δ1 and δ3 grow as ηA·ηB·n, δ2 as ηB.
	//
	// With ηA ∝ n^(−a) and ηB ∝ n^(−b) the exponents of n are 1 − a − b, and
	// −b. Equal rates, a = b, cannot make both zero: what keeps δ1 steady, n^(−1/2),
	// lets δ2 vanish, and at 1/n both vanish. Only ηA ∝ 1/n with ηB constant has
	// both: a ratio λ = ηB/ηA that grows as n. A constant ratio, or the scale
	// s = α/√r of rsLoRA at a given rank, moves the curves and not their slopes.
	//
	// That is for the first steps. A·x itself moves by ηA·n in each: with a < 1 it
	// outgrows its start, the sooner the wider the network and the higher the rate,
	// and takes δ2 along, whose exponent goes from −b to 1 − a − b. We look at
	// that too.

	// ## Design
	//
	// Inputs go through a frozen map to width n, a ReLU, the adapted map n×n, a ReLU, and
	// a frozen map to few outputs with entries of size 1/n, as features need to move
	// for the outputs to. The outputs are to change by a random linear
	// function of the inputs. Rank 4, α = 4, AdamW without decay. All rules have the same
	// learning rate at the smallest width, small enough that the first steps are far
	// from the end of learning; from there they go by their exponents.

	widths, seeds, steps, eta := []int{64, 128, 256, 512}, 24, 10, 1e-3
	tuning, learning, trained := sweep.Decades(-3, 0), 30, 12
	if nb.Short { // the same path in seconds
		widths, seeds, steps = []int{32, 64, 128, 256}, 8, 6
		tuning, learning, trained = []float64{1e-3, 1e-2}, 10, 2
	}
	first, last := widths[0], widths[len(widths)-1]
	nb.Printf("widths %v, %d seeds, %d steps, learning rate %s at width %d\n", widths, seeds, steps, chart.Rate(eta), first)
	rules := []rule{
		{name: "equal, constant", a: 0, b: 0, ratio: 1},
		{name: "equal, n^(−1/2)", a: 0.5, b: 0.5, ratio: 1},
		{name: "equal, 1/n", a: 1, b: 1, ratio: 1},
		{name: "LoRA+, ηA 1/n, ηB constant", a: 1, b: 0, ratio: 1},
		{name: "LoRA+, λ = 16, n^(−1/2)", a: 0.5, b: 0.5, ratio: 16},
		{name: "rsLoRA, n^(−1/2)", a: 0.5, b: 0.5, ratio: 1, rootRank: true},
	}

	// ## The three parts by width
	//
	// Root mean square over the samples and outputs of the map, and over the
	// steps from the second: in the first B is zero, and δ1 with it. Median and
	// quartiles over seeds, each with its own network, task and start. In δ1 and δ3 the
	// rule with the ratio that grows lies on top of equal rates as n^(−1/2): the
	// product of the rates is the same.

	measured, err := measureAll(ctx, rules, widths, eta, steps, seeds) // by rule, width and seed
	if err != nil {
		return err
	}
	for part := range 3 {
		plot := chart.Plot{Title: fmt.Sprintf("δ%d: %s", part+1, []string{"the step of A alone", "the step of B alone", "both steps together"}[part]), Width: 700, Height: 340, Legend: true,
			X: chart.Axis{Title: "width n", Log: true}, Y: chart.Axis{Title: fmt.Sprintf("root mean square of δ%d", part+1), Log: true}}
		for i, r := range rules {
			s := chart.Series{Name: r.name, Style: i, Line: true, Mark: true}
			for k, n := range widths {
				add(&s, n, of(measured[i][k], func(p parts) float64 { return p.delta[part] }))
			}
			plot.Series = append(plot.Series, s)
		}
		nb.Figure(plot.SVG())
	}

	// ## Exponents
	//
	// For each seed the slope of ln δ against ln n, by least squares over the
	// widths; their mean and its 95 % interval over seeds, beside the exponent of
	// the theory. The interval has the noise of seeds, not the error of a power
	// law at finite widths.

	slopes := make([][3][]float64, len(rules)) // by rule, part and seed
	far := 0.0
	var lines [][]string
	for i, r := range rules {
		line := []string{r.name}
		for part := range 3 {
			slopes[i][part] = slopesOf(widths, measured[i], part)
			_, mean, _ := notebooks.Interval(slopes[i][part])
			far = max(far, math.Abs(mean-r.exponent(part)))
			line = append(line, notebooks.Within(slopes[i][part]), fmt.Sprintf("%g", r.exponent(part)))
		}
		lines = append(lines, line)
	}
	nb.Table([]string{"rule", "δ1: slope [95 %]", "theory", "δ2: slope [95 %]", "theory", "δ3: slope [95 %]", "theory"}, lines...)
	nb.Printf("the mean slope farthest from its theory is %.2f away\n", far)

	// Beside what the adapter's outputs are after the last step, the parts of
	// that step, at the smallest and the largest width: medians over seeds.

	lines = nil
	for i, r := range rules {
		for _, k := range []int{0, len(widths) - 1} {
			line := []string{r.name, fmt.Sprint(widths[k])}
			for part := range 3 {
				_, median, _ := notebooks.Quartiles(of(measured[i][k], func(p parts) float64 { return p.share[part] }))
				line = append(line, fmt.Sprintf("%.3g", median))
			}
			_, median, _ := notebooks.Quartiles(of(measured[i][k], func(p parts) float64 { return p.delta[0] / p.delta[1] }))
			lines = append(lines, append(line, fmt.Sprintf("%.3g", median)))
		}
	}
	nb.Table([]string{"rule", "n", "d1_share", "d2_share", "d3_share", "δ1/δ2"}, lines...)

	// ## How long are the first steps?
	//
	// The slope of δ2 at a tenth and at ten times the learning rate, over as many steps. By
	// the theory it begins at the first exponent, and ends at the second.

	lines = nil
	header := []string{"δ2: slope [95 %]"}
	var scales [][][][]parts
	for _, times := range []float64{0.1, 1, 10} {
		m, err := measureAll(ctx, rules[:4], widths, times*eta, steps, seeds)
		if err != nil {
			return err
		}
		scales, header = append(scales, m), append(header, chart.Rate(times*eta))
	}
	for i, r := range rules[:4] {
		line := []string{r.name}
		for _, m := range scales {
			line = append(line, notebooks.Within(slopesOf(widths, m[i], 1)))
		}
		lines = append(lines, append(line, fmt.Sprintf("%g to %g", r.exponent(1), max(r.exponent(1), r.exponent(0)))))
	}
	nb.Table(append(header, "theory"), lines...)

	// ## Learning
	//
	// Does it matter? One learning rate is tuned for plain LoRA at the smallest
	// width: that with the lowest median loss after more steps. Each rule carries it
	// to the other widths by its exponents. A loss is relative to the start. Rules
	// with another scale at the smallest width would need a rate of their own, and
	// are left out.

	losses := func(r rule, n int, lr float64) ([]float64, error) {
		ends := make([]float64, trained)
		err := notebooks.Each(ctx, trained, func(seed int) (err error) {
			ends[seed], err = train(r, n, first, lr, learning, uint64(seed+1))
			return err
		})
		return ends, err
	}
	tuned, best := 0.0, math.Inf(1)
	for _, lr := range tuning {
		ends, err := losses(rules[0], first, lr)
		if err != nil {
			return err
		}
		if _, median, _ := notebooks.Quartiles(ends); median < best {
			tuned, best = lr, median
		}
	}
	nb.Printf("tuned at width %d: learning rate %s, of %s to %s; %d steps, %d seeds\n", first, chart.Rate(tuned), chart.Rate(tuning[0]), chart.Rate(tuning[len(tuning)-1]), learning, trained)
	plot := chart.Plot{Title: "Loss with a learning rate carried from the smallest width", Width: 700, Height: 340, Legend: true,
		X: chart.Axis{Title: "width n", Log: true}, Y: chart.Axis{Title: fmt.Sprintf("loss after %d steps, relative to the start", learning), Log: true}}
	ends := map[int][]float64{} // at the largest width, by rule
	lines = nil
	for i, r := range rules[:4] {
		s, line := chart.Series{Name: r.name, Style: i, Line: true, Mark: true}, []string{r.name}
		for _, n := range widths {
			values, err := losses(r, n, tuned)
			if err != nil {
				return err
			}
			add(&s, n, values)
			low, median, high := notebooks.Quartiles(values)
			line, ends[i] = append(line, fmt.Sprintf("%.3g [%.3g, %.3g]", median, low, high)), values
		}
		plot.Series, lines = append(plot.Series, s), append(lines, line)
	}
	nb.Figure(plot.SVG())
	header = []string{"loss, median [quartiles]"}
	for _, n := range widths {
		header = append(header, fmt.Sprintf("n = %d", n))
	}
	nb.Table(header, lines...)

	// ## Conclusion
	//
	// Computed from the runs above. A statement about a slope holds where its
	// interval, over seeds, lies on that side; *steady* is an interval within ±0.2.

	state := func(i, part int) string {
		low, _, high := notebooks.Interval(slopes[i][part])
		switch {
		case low > -steady && high < steady:
			return "is steady"
		case high < 0:
			return "falls"
		case low > 0:
			return "grows"
		}
		return "has no certain slope"
	}
	for i, r := range rules {
		nb.Printf("%s: δ1 %s (%s), δ2 %s (%s).\n", r.name, state(i, 0), notebooks.Within(slopes[i][0]), state(i, 1), notebooks.Within(slopes[i][1]))
	}
	both := 0
	for i := range rules {
		if state(i, 0) == "is steady" && state(i, 1) == "is steady" {
			both++
			nb.Printf("Both parts are steady with: %s.\n", rules[i].name)
		}
	}
	nb.Printf("Only the ratio that grows with the width keeps both parts steady: %t.\n", both == 1 && state(3, 0) == "is steady" && state(3, 1) == "is steady")
	_, _, slow := notebooks.Interval(slopesOf(widths, scales[0][1], 1))
	fast, _, _ := notebooks.Interval(slopesOf(widths, scales[2][1], 1))
	nb.Printf("%s: at a hundred times the rate δ2 falls less with the width, as A·x has outgrown its start: %t.\n", rules[1].name, fast > slow)
	for i, r := range rules[:3] {
		worse := true
		for seed := range trained {
			worse = worse && !(ends[i][seed] <= ends[3][seed])
		}
		nb.Printf("At width %d, LoRA+ with the ratio that grows ends lower than %s for every seed: %t.\n", last, r.name, worse)
	}

	// What this does not show. The network has one adapted map, a task that a few
	// directions solve, and the first steps of Adam on all samples; Adam's memory is
	// young, and nothing has been learnt yet. That a
	// rule scales says nothing of how well it does at one width, where both rates can
	// be tuned: the learning rate here is tuned at one width and for plain LoRA,
	// on a coarse grid, and the loss is that of the samples trained on. At that rate,
	// far above the one of the exponents, A·x outgrows its start within few steps, and
	// equal rates that fall as n^(−1/2) may learn as well as a ratio that grows: the
	// vanishing δ2 of the first steps need not cost them the end. With entries
	// of size n^(−1/2) in the last map, as most networks start, outputs move
	// with features that vanish, and what is efficient may be another rule.

	return nil
}

// steady is how near to zero an exponent is that counts as none.
const steady = 0.2
