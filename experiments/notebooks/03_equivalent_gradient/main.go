// The notebook 03_equivalent_gradient asks how well what a method does to the
// factors follows the gradient of the full weight.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"slices"

	"github.com/lowrank/lowrank/experiments/notebooks"
	"github.com/lowrank/lowrank/experiments/report/chart"
	"github.com/lowrank/lowrank/experiments/sweep"
	"github.com/lowrank/lowrank/lora"
)

//go:embed main.go
var source string

func main() { notebooks.Main("03_equivalent_gradient", source, equivalentGradient) }

func equivalentGradient(ctx context.Context, nb *notebooks.Notebook) error {
	// # How well do the factors follow the full gradient?
	//
	// Full fine-tuning follows G, the gradient of the loss for the weight. LoRA
	// has the gradients of its factors, gA = s·BᵀG and gB = s·GAᵀ. A small step along
	// them moves the weight along the **equivalent gradient**
	//
	// g̃ = s·(B·gA + gB·A)
	//
	// (Wang and others, arXiv 2407.18242). How near it is to G has two
	// parts. Changes of A and B reach only the tangent space of the matrices of rank
	// *r* at B·A:
	//
	// - **captured energy** ‖Proj G‖²/‖G‖² is what of G lies in that space. No rule
	//   for A and B sees more, and it is 1 at full rank.
	// - **alignment** (<g̃, G>/(‖g̃‖·‖Proj G‖))² is how near g̃ is to the best
	//   direction in that space, which LoRA-Pro takes.
	//
	// With the best step scale c = <g̃, G>/‖g̃‖², the gap ‖c·g̃ − G‖²/‖G‖² that
	// stays is 1 − alignment·captured energy, which is 1 − cos²(g̃, G).
	//
	// A rule need not step along g̃: Adam rescales every entry, and remembers. So
	// we also measure **cos(step, −G)** of the step that was taken, and
	// **update alignment**, its cosine with −Proj G.
	//
	// Three questions. Does the theory of the first step hold? How do methods differ
	// over training? And does a step that follows G better early mean a lower
	// loss at the end?

	// ## Design
	//
	// A network of three linear maps with ReLU between them learns a teacher, which
	// is the same network with a change of rank 4 in each map, half as large as
	// the map. Students have rank 4, α = 4, and see all samples in every step, so
	// that G is exact. Each teacher has its own weights, change, samples, and start
	// of the students; bands and intervals are over teachers.

	widths, rank, samples, steps := []int{24, 32, 32, 16}, 4, 128, 200
	teachers, tuning, lrs := 24, 6, sweep.Decades(-3, 1)
	at, early := []int{1, 2, 3, 5, 10, 20, 50, 100, 200}, 10
	methods := []string{"lora", "lora-pro", "lora-pro-sgd", "scaled-adamw", "lora-ga", "pissa", "lora-fa"}
	if nb.Short { // the same path in seconds; its numbers mean little
		widths, rank, samples, steps, teachers, tuning, lrs = []int{8, 12, 6}, 2, 32, 20, 4, 1, []float64{0.01, 0.1}
		at, early = []int{1, 2, 5, 20}, 5
	}
	var tasks []task
	for i := range teachers {
		tasks = append(tasks, newTask(widths, rank, samples, uint64(i+1)))
	}
	nb.Printf("widths %v, rank %d, %d samples, %d teachers, %d steps\n", widths, rank, samples, teachers, steps)

	// ## The first step
	//
	// At the start of plain LoRA B is zero. Then G is reached through A alone:
	// the captured energy is ‖G·P_A‖²/‖G‖², with P_A the projection on the rows of A,
	// about *r*/*d* for a random A with *d* columns. We compute it from the full
	// gradient and an orthogonal basis of those rows, and compare with what the
	// probe has from the factors' gradients alone.

	var lines [][]string
	worst := 0.0
	for k, in := range widths[:len(widths)-1] {
		var dense []float64
		for _, t := range tasks {
			measured, direct, err := t.first(k)
			if err != nil {
				return err
			}
			dense, worst = append(dense, direct), max(worst, math.Abs(measured-direct))
		}
		lines = append(lines, []string{fmt.Sprintf("map %d, %d×%d", k+1, widths[k+1], in), notebooks.Within(dense), fmt.Sprintf("%.2f", float64(rank)/float64(in))})
	}
	nb.Table([]string{"captured energy at the start", "mean [95 % interval] over teachers", "r/d"}, lines...)
	theory := worst < 1e-4
	nb.Printf("the probe and the dense computation differ by at most %.1g\n", worst)

	// ## Learning rates
	//
	// Each method has the learning rate with the lowest median loss at the end,
	// over some of the teachers. All losses are relative to that of the network
	// before training.

	runs := map[string][]course{}
	rate := map[string]float64{}
	for _, name := range methods {
		method, err := lora.Row(name)
		if err != nil {
			return err
		}
		if rate[name], err = tuned(ctx, tasks[:tuning], method, lrs, steps); err != nil {
			return err
		}
		if runs[name], err = train(ctx, tasks, method, rate[name], steps, at); err != nil {
			return err
		}
	}
	lines = nil
	for _, name := range methods {
		lines = append(lines, []string{name, chart.Rate(rate[name]), spread(over(runs[name], lastLoss))})
	}
	nb.Table([]string{"method", "learning rate", "loss at the end, median [quartiles]"}, lines...)

	// ## Over training
	//
	// Medians and quartiles over the teachers, before the step that the axis
	// gives. What is known for the network as a whole takes its maps' weights as
	// one vector.

	draw := func(title, axis string, log bool, value func(c course, step int) float64) {
		plot := chart.Plot{Title: title, Width: 700, Height: 360, Legend: true, X: chart.Axis{Title: "step", Log: true}, Y: chart.Axis{Title: axis, Log: log}}
		for i, name := range methods {
			s := chart.Series{Name: name, Style: i, Line: true, Mark: true}
			for _, step := range at {
				values := over(runs[name], func(c course) float64 { return value(c, step) })
				if len(values) == 0 {
					continue
				}
				low, median, high := notebooks.Quartiles(values)
				s.X, s.Y, s.Low, s.High = append(s.X, float64(step)), append(s.Y, median), append(s.Low, low), append(s.High, high)
			}
			if len(s.X) > 0 {
				plot.Series = append(plot.Series, s)
			}
		}
		nb.Figure(plot.SVG())
	}
	draw("Equivalent gradient: how near its direction is to the full gradient's", "cos(g̃, G)", false, course.follows)
	draw("How much of the full gradient the factors can see", "captured energy (share of ‖G‖²)", false, course.captured)
	draw("The step taken: how near its direction is to the full gradient's", "cos(step, −G)", false, course.stepCosine)
	draw("Loss", "loss relative to the start", true, course.loss)

	// What the probe has per map, as the mean over maps, at the first step, early
	// and late: medians over teachers. Where A is frozen (LoRA-FA) the tangent space
	// of the product says nothing of what can be reached, and the probe gives no
	// number for it. At the first step of plain LoRA the step of A is zero, and
	// g̃ = s²·G·AᵀA: its alignment is below 1 as far as A·Aᵀ is not a multiple of
	// the identity.

	names := []string{"alignment", "captured_energy", "gradient_gap", "best_step_scale", "update_alignment"}
	lines = nil
	for _, name := range methods {
		for _, step := range []int{at[0], early, at[len(at)-1]} {
			line := []string{name, fmt.Sprint(step)}
			for _, metric := range names {
				text := "–"
				if values := over(runs[name], func(c course) float64 { return c.value(step, metric) }); len(values) > 0 {
					_, median, _ := notebooks.Quartiles(values)
					text = fmt.Sprintf("%.3g", median)
				}
				line = append(line, text)
			}
			lines = append(lines, line)
		}
	}
	nb.Table(append([]string{"method", "step"}, names...), lines...)

	// ## Does following early predict the end?
	//
	// Spearman's rank correlation of what is measured early with the loss at the
	// end; negative: who follows better ends lower. First across methods: one
	// correlation for each teacher, then their mean with its 95 % interval over
	// teachers. The interval is for these methods, and would not hold for others: the
	// last column has the lowest and the highest mean when one of them is left out.

	predictors := []struct {
		name  string
		value func(c course, step int) float64
	}{
		{"cos(g̃, G)", course.follows}, {"captured energy", course.captured}, {"cos(step, −G)", course.stepCosine}, {"loss already then", course.loss},
	}
	across := func(value func(c course, step int) float64, step int, without string) (all []float64) {
		for i := range tasks {
			var x, y []float64
			for _, name := range methods {
				if name != without {
					x, y = append(x, value(runs[name][i], step)), append(y, lastLoss(runs[name][i]))
				}
			}
			if rho := notebooks.Spearman(x, y); !math.IsNaN(rho) {
				all = append(all, rho)
			}
		}
		return all
	}
	header := []string{"across methods"}
	for _, step := range at {
		if step <= 5*early {
			header = append(header, fmt.Sprintf("step %d", step))
		}
	}
	header = append(header, fmt.Sprintf("step %d without one method", early))
	lines = nil
	for _, p := range predictors {
		line := []string{p.name}
		for _, step := range at {
			if step > 5*early {
				continue
			}
			text := "–" // the same for all methods
			if all := across(p.value, step, ""); len(all) > 0 {
				text = notebooks.Within(all)
			}
			line = append(line, text)
		}
		var left []float64
		for _, without := range methods {
			_, mean, _ := notebooks.Interval(across(p.value, early, without))
			left = append(left, mean)
		}
		lines = append(lines, append(line, fmt.Sprintf("%.2f to %.2f", slices.Min(left), slices.Max(left))))
	}
	nb.Table(header, lines...)

	// Then within a method: over the teachers, at the early step, with the
	// interval of Bonett and Wright (Psychometrika 65(1), 2000). Here nothing but the
	// problem and the draw of the start differs.

	lines = nil
	for _, name := range methods {
		line := []string{name}
		for _, p := range predictors {
			var x, y []float64
			for _, c := range runs[name] {
				x, y = append(x, p.value(c, early)), append(y, lastLoss(c))
			}
			line = append(line, notebooks.Correlation(x, y))
		}
		lines = append(lines, line)
	}
	header = []string{"within"}
	for _, p := range predictors {
		header = append(header, p.name)
	}
	nb.Table(header, lines...)

	scatter := chart.Plot{Title: fmt.Sprintf("The step at step %d and the loss at the end", early), Width: 700, Height: 400, Legend: true,
		X: chart.Axis{Title: fmt.Sprintf("cos(step, −G) at step %d", early)}, Y: chart.Axis{Title: "loss at the end, relative to the start", Log: true}}
	for i, name := range methods {
		s := chart.Series{Name: name, Style: i, Mark: true}
		for _, c := range runs[name] {
			if v, end := c.stepCosine(early), lastLoss(c); !math.IsNaN(v) && !math.IsNaN(end) {
				s.X, s.Y = append(s.X, v), append(s.Y, end)
			}
		}
		scatter.Series = append(scatter.Series, s)
	}
	nb.Figure(scatter.SVG())

	// ## Conclusion
	//
	// Computed from the runs above. A statement about steps or methods holds where it
	// holds for every teacher; one about a correlation where the interval leaves out
	// zero.

	nb.Printf("LoRA's captured energy at the start is ‖G·P_A‖²/‖G‖² to 1e-4: %t.\n", theory)
	aligned := 1.0
	for _, c := range runs["lora-pro-sgd"] {
		for _, step := range at {
			aligned = min(aligned, c.value(step, "update_alignment"))
		}
	}
	nb.Printf("The steps of LoRA-Pro by gradient descent have alignment 1 throughout: %t (at least %.4f).\n", aligned > 0.999, aligned)
	less := func(text, a, b string, value func(c course) float64) {
		x, y := over(runs[a], value), over(runs[b], value)
		holds := len(x) == len(y) && len(x) > 0
		for i := range min(len(x), len(y)) {
			holds = holds && x[i] < y[i]
		}
		nb.Printf("%s: %t (%s against %s).\n", text, holds, notebooks.Span(x), notebooks.Span(y))
	}
	less("At the first step LoRA-GA's factors see more of G than LoRA's", "lora", "lora-ga", func(c course) float64 { return c.captured(at[0]) })
	less("At the first step PiSSA's factors see more of G than LoRA's", "lora", "pissa", func(c course) float64 { return c.captured(at[0]) })
	less(fmt.Sprintf("At step %d the steps of LoRA-Pro with Adam are farther from G than those by gradient descent", early), "lora-pro", "lora-pro-sgd", func(c course) float64 { return c.stepCosine(early) })
	for _, p := range predictors[:3] {
		all := across(p.value, early, "")
		low, mean, high := notebooks.Interval(all)
		stays := true // without any one method
		for _, without := range methods {
			_, left, _ := notebooks.Interval(across(p.value, early, without))
			stays = stays && left*mean > 0
		}
		says := "says nothing certain of"
		switch {
		case high < 0:
			says = "goes with a lower loss at"
		case low > 0:
			says = "goes with a higher loss at"
		}
		nb.Printf("Across methods a higher %s at step %d %s the end: correlation %s; its sign stays whichever method is left out: %t.\n", p.name, early, says, notebooks.Within(all), stays)
	}

	// What this does not show. Methods are few, and differ in more than what is
	// measured here: a correlation across them is no cause, and seven methods are
	// no sample of all. LoRA-FA and PiSSA end high for reasons of their own: one
	// trains half of the factors, the other has to undo what it took out of
	// the weight within the same rank. The network is small, its gradient exact, its
	// teacher of the student's rank; with batches of a few samples G is noise for
	// the most part, and following it closely is worth less. Each method has the
	// rate, of a coarse grid, that is best for the end and not for the early steps,
	// chosen on some of the teachers that are then reported, and a step's
	// direction says nothing of its length.

	return nil
}

// spread writes median and quartiles of losses.
func spread(values []float64) string {
	low, median, high := notebooks.Quartiles(values)
	return fmt.Sprintf("%.2g [%.2g, %.2g]", median, low, high)
}

// over lists what value gives for each run, where it is defined.
func over(runs []course, value func(course) float64) (values []float64) {
	for _, c := range runs {
		values = append(values, value(c))
	}
	return slices.DeleteFunc(values, math.IsNaN)
}
