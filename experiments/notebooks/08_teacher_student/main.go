// The notebook 08_teacher_student ranks the methods on a problem whose optimum is
// known.
package main

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/lowrank/lowrank/experiments/notebooks"
	"github.com/lowrank/lowrank/experiments/report/chart"
	"github.com/lowrank/lowrank/experiments/sweep"
	"github.com/lowrank/lowrank/lora"
)

//go:embed main.go
var source string

func main() { notebooks.Main("08_teacher_student", source, teacherStudent) }

func teacherStudent(ctx context.Context, nb *notebooks.Notebook) error {
	// # How fast do methods learn a linear map?
	//
	// A teacher is a linear map W₀ + ΔW with ΔW of rank *r*. A student starts from
	// W₀ and sees noisy outputs of the teacher. Its loss is ½·‖X·W'ᵀ − Y‖² over the
	// number of samples, and the lowest loss that any change of rank *r* can have
	// is known: it is that of reduced-rank regression, which cuts the least squares
	// fit to its first *r* singular directions.
	//
	// A start that takes a product of rank *r* out of the base leaves less: to undo
	// that and to learn ΔW would need rank 2*r*. Its optimum is that on the base that
	// it leaves, and stands in the table as a multiple of the one on W₀.
	//
	// We count the steps until the loss is within 1 % of the method's optimum. Every step
	// sees all samples, so that nothing is random but the teacher and the start. A
	// start that reads the samples pays one step for its pass. Each method has the
	// learning rate that is best for it.

	out, in, samples, rank, most := 32, 24, 256, 4, 400
	seeds := []uint64{1, 2, 3}
	lrs := sweep.Decades(-3, 1)
	const within = 1.01
	if nb.Short { // the same path in seconds; its numbers mean little
		out, in, samples, rank, most = 8, 6, 32, 2, 60
		seeds, lrs = seeds[:2], []float64{0.01, 0.1, 1}
	}
	var teachers []*teacher
	for _, seed := range seeds {
		t := newTeacher(out, in, samples, rank, seed)
		teachers = append(teachers, t)
		nb.Printf("teacher %d: loss %.4g of W₀, %.4g at the optimum of rank %d\n", seed, t.start, t.optimum, rank)
	}
	nb.Printf("weights %d×%d, %d samples, at most %d steps, learning rates %s to %s in steps of √10\n", out, in, samples, most, chart.Rate(lrs[0]), chart.Rate(lrs[len(lrs)-1]))

	// ## The methods of the table
	//
	// Every row whose weight is the same for all inputs, best first: the median
	// over the teachers of the steps that it takes at the learning rate whose
	// median is lowest. A dot is a teacher. Those that do not arrive stand in a
	// list below: a frozen factor may have no place for ΔW. Colours are axes.

	count := func(method lora.Method) (result, error) { return best(ctx, teachers, method, lrs, seeds, within, most) }
	var rows []lora.Method
	for _, m := range lora.Methods() {
		if m.Router == nil {
			rows = append(rows, m)
		}
	}
	results, err := each(rows, count)
	if err != nil {
		return err
	}
	slices.SortStableFunc(results, func(a, b result) int { return cmp.Compare(a.median, b.median) })
	axes := []lora.Axis{"", lora.Rank, lora.Dynamics, lora.Initialisation}
	var dots []chart.Row
	var lines [][]string
	var late []string
	for _, r := range results {
		if math.IsInf(r.median, 1) {
			late = append(late, r.method.Name)
			continue
		}
		dots = append(dots, chart.Row{Name: r.method.Name, Style: slices.Index(axes, r.method.Axis), Points: r.steps, Low: slices.Min(r.steps), High: slices.Max(r.steps),
			Middle: r.median, Note: fmt.Sprintf("%.0f at %s", r.median, chart.Rate(r.lr))})
		lines = append(lines, []string{r.method.Name, string(r.method.Axis), fmt.Sprintf("%.0f", r.median), span(r.steps), chart.Rate(r.lr), fmt.Sprintf("%.2f", r.floor)})
	}
	nb.Figure(chart.Rows{Title: fmt.Sprintf("Steps to within 1 %% of its optimum, of at most %d", most), Width: 900,
		X: chart.Axis{Title: "steps (numbers: median, and the learning rate that is best)", Log: true}, Rows: dots}.SVG())
	nb.Table([]string{"method", "axis", "median steps", "all teachers", "learning rate", "optimum"}, lines...)
	nb.Printf("not within 1 %% after %d steps at any learning rate: %v\n", most, late)

	// ## Every start with every rule
	//
	// Median steps of plain LoRA by rule (rows) and start (columns, by number), each
	// to within 1 % of the optimum on the base that the start leaves; the paler, the
	// faster. An empty cell does not arrive, or is refused: then a part
	// needs what no other provides.

	inits := parts(rows, func(m lora.Method) string { return m.PartRows().Init })
	updates := parts(rows, func(m lora.Method) string { return m.PartRows().Update })
	if nb.Short {
		inits, updates = inits[:3], updates[:3]
	}
	var compositions []lora.Method
	composed := map[string]bool{}
	for _, update := range updates {
		for _, init := range inits {
			if m, err := lora.Compose(lora.Recipe{Init: init, Update: update}); err == nil {
				compositions = append(compositions, m)
				composed[init] = true
			}
		}
	}
	inits = slices.DeleteFunc(inits, func(init string) bool { return !composed[init] })
	grid, err := each(compositions, count)
	if err != nil {
		return err
	}
	at := map[[2]string]result{}
	for _, r := range grid {
		p := r.method.PartRows()
		at[[2]string{p.Update, p.Init}] = r
	}
	heat := chart.Heat{Title: "Median steps to within 1 % of its optimum", Width: 1100, Rows: updates}
	var table [][]string
	for i, init := range inits {
		heat.Columns = append(heat.Columns, fmt.Sprint(i+1))
		nb.Printf("%2d %s\n", i+1, init)
	}
	for _, update := range updates {
		line, values := []string{update}, []float64{}
		for _, init := range inits {
			r, ok := at[[2]string{update, init}]
			text, v := "refused", math.NaN()
			switch {
			case ok && math.IsInf(r.median, 1):
				text = "late"
			case ok:
				text, v = fmt.Sprintf("%.0f", r.median), r.median
			}
			line, values = append(line, text), append(values, v)
		}
		table, heat.Values = append(table, line), append(heat.Values, values)
	}
	nb.Figure(heat.SVG())
	nb.Table(append([]string{"rule"}, heat.Columns...), table...)

	// ## Conclusion
	//
	// Computed from the runs above. A statement holds where it holds for every
	// teacher.

	steps := func(update, init string) []float64 { return at[[2]string{update, init}].steps }
	for _, c := range []struct{ text, faster, slower, init string }{
		{"Preconditioned gradient descent (Riemannian) needs fewer steps than gradient descent", "scaled-gd", "lora-sgd", "lora"},
		{"LoRA-Pro by gradient descent needs fewer steps than gradient descent", "lora-pro-sgd", "lora-sgd", "lora"},
		{"LoRA+ needs fewer steps than AdamW at its own best learning rate", "lora-plus", "lora", "lora"},
		{"LoRA-RITE needs fewer steps than AdamW", "lora-rite", "lora", "lora"},
	} {
		faster, slower := steps(c.faster, c.init), steps(c.slower, c.init)
		if len(faster) > 0 && len(slower) > 0 {
			nb.Printf("%s: %t (%s against %s).\n", c.text, slices.Max(faster) < slices.Min(slower), span(faster), span(slower))
		}
	}
	for _, c := range []struct{ text, init string }{
		{"the gradient (LoRA-GA)", "lora-ga"},
		{"the principal directions of W₀ (PiSSA)", "pissa"},
	} {
		faster, slower := at[[2]string{"lora", c.init}], steps("lora", "lora")
		if len(faster.steps) > 0 && len(slower) > 0 {
			nb.Printf("With AdamW the start from %s needs fewer steps than the one from zero: %t (%s against %s), to an optimum %.2f times as high.\n",
				c.text, slices.Max(faster.steps) < slices.Min(slower), span(faster.steps), span(slower), faster.floor)
		}
	}

	// What this does not show. The problem is convex in the weight, the samples
	// are seen whole in every step, and a learning rate stays as it is: there is
	// no noise for a momentum or a schedule to average, and no other task to
	// forget.

	return nil
}

// A result is what a method takes at its best learning rate.
type result struct {
	method lora.Method
	lr     float64
	steps  []float64 // by teacher
	median float64
	floor  float64 // the optimum on its base over that on W0: the median
}

// best tries all learning rates.
func best(ctx context.Context, teachers []*teacher, method lora.Method, lrs []float64, seeds []uint64, within float64, most int) (result, error) {
	r := result{method: method, median: math.Inf(1)}
	var targets, floors []float64
	for i, t := range teachers {
		optimum, err := t.reachable(method, seeds[i])
		if err != nil {
			return r, fmt.Errorf("%s: %w", method.Name, err)
		}
		targets, floors = append(targets, within*optimum), append(floors, optimum/t.optimum)
	}
	slices.Sort(floors)
	r.floor = floors[len(floors)/2]
	for _, lr := range lrs {
		var steps []float64
		for i, t := range teachers {
			n, err := t.steps(method, lr, seeds[i], targets[i], most)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return r, fmt.Errorf("%s: %w", method.Name, err)
			}
			steps = append(steps, n)
		}
		sorted := slices.Sorted(slices.Values(steps))
		if m := sorted[len(sorted)/2]; m < r.median {
			r.lr, r.steps, r.median = lr, steps, m
		}
	}
	return r, nil
}

// span writes the range of counts.
func span(steps []float64) string {
	return fmt.Sprintf("%.0f – %.0f", slices.Min(steps), slices.Max(steps))
}

// each has as many methods at work as there are threads.
func each(methods []lora.Method, count func(lora.Method) (result, error)) ([]result, error) {
	results, errs := make([]result, len(methods)), make([]error, len(methods))
	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				results[i], errs[i] = count(methods[i])
			}
		})
	}
	for i := range methods {
		next <- i
	}
	close(next)
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}

// parts returns the rows that the parts of a slot come from, of plain LoRA's
// kind, each once.
func parts(methods []lora.Method, of func(lora.Method) string) (names []string) {
	for _, m := range methods {
		if name := of(m); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
