package training

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/bench/step"
	"github.com/lowrank/lowrank/kernels"
)

// BigOptions choose what is shown of a big model.
type BigOptions struct {
	Bases   []string // formats that the weights are kept in
	Methods []string // none: lora
	Threads int
	Steps   int        // that are timed
	Shape   step.Shape // the zero one: [step.Big]
}

// mostOfBig is the resident memory that a step of the big model in NF4 may take.
const mostOfBig = 2 << 30

// Big writes a model of the shape with random weights into a folder of its own,
// which is removed afterwards, and makes steps of methods on all its linear maps with
// its weights kept in each of the formats, in a process each. The program must call
// [Serve] on [Word].
func Big(o BigOptions, begin func(*compare.Report, compare.Group), show func(*compare.Row)) (*compare.Report, error) {
	if o.Shape.Name == "" {
		o.Shape = step.Big
	}
	r := &run{
		Options: Options{Threads: []int{o.Threads}},
		report:  &compare.Report{CPU: kernels.CPU(), Go: runtime.Version()}, began: begin, show: show,
	}
	var err error
	if r.program, err = os.Executable(); err != nil {
		return nil, err
	}
	if r.dir, err = os.MkdirTemp(largeFiles(), "lowrank-big-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(r.dir)
	defer onInterrupt(func() { os.RemoveAll(r.dir) })()
	if err := step.WriteRandom(r.base(o.Shape), o.Shape, seed); err != nil {
		return nil, err
	}
	if err := r.peaks(); err != nil {
		return nil, err
	}
	s := o.Shape
	r.begin(compare.Group{
		Name: "big", Title: fmt.Sprintf("steps of a Llama of %d layers of %d features on %d×%d tokens, rank %d on all linear maps of the blocks, of which activations are computed again",
			s.Layers, s.Hidden, s.Batch, s.Tokens, s.Rank),
		Target: fmt.Sprintf("in nf4 at most %d MiB resident", mostOfBig>>20),
	})
	if o.Methods == nil {
		o.Methods = []string{"lora"}
	}
	for _, base := range o.Bases {
		for _, method := range o.Methods {
			row, err := r.big(o, base, method)
			if err != nil {
				return nil, err
			}
			r.add(row)
		}
	}
	return r.report, nil
}

// onInterrupt has the program end, when it is told to, with what clean does; the
// function that it returns takes that back.
func onInterrupt(clean func()) (stop func()) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, os.Interrupt, syscall.SIGTERM)
	go func() {
		if _, ok := <-told; ok {
			clean()
			const interrupted = 130
			os.Exit(interrupted)
		}
	}()
	return func() {
		signal.Stop(told)
		close(told)
	}
}

// largeFiles is the folder for files of some GB: the user's cache, which is seldom
// in memory as temporary folders may be; "" where there is none.
func largeFiles() string {
	dir, err := os.UserCacheDir()
	if err == nil {
		dir = filepath.Join(dir, "lowrank")
		err = os.MkdirAll(dir, 0o777)
	}
	if err != nil {
		return ""
	}
	return dir
}

// big measures steps with the weights in a format.
func (r *run) big(o BigOptions, base, method string) (*compare.Row, error) {
	began := time.Now()
	server, err := r.serve()
	if err != nil {
		return nil, err
	}
	defer server.Close()
	s := &side{name: base, began: began, server: server}
	t := &training{run: r, shape: o.Shape, method: method, sides: []*side{s}}
	err = s.prepare(map[string]any{
		"folder": r.base(o.Shape), "shape": o.Shape.Name, "method": t.method, "seed": seed, "threads": o.Threads, "base": base,
	}, &t.flops)
	if err != nil {
		return nil, err
	}
	if _, err := s.time(o.Threads, o.Steps, 0); err != nil {
		return nil, err
	}
	if t.meanwhile, err = r.samplePeak(server, o.Threads, 20); err != nil {
		return nil, err
	}
	var a allocations
	if err := server.Ask("allocations", map[string]any{"threads": o.Threads, "steps": 1}, &a); err != nil {
		return nil, err
	}
	var m memory
	if err := server.Ask("memory", nil, &m); err != nil {
		return nil, err
	}
	row := &compare.Row{
		Name: base + ", " + method, Threads: o.Threads, Unit: "s/step",
		Rates: []compare.Rate{{Side: "step", Seconds: s.rate().Seconds, Rate: s.rate().Seconds, Spread: s.rate().Spread}},
		Figures: map[string]float64{
			"flops": t.flops, "of the peak": t.share(s, o.Threads), "resident": float64(m.Peak), "formula": float64(m.Formula.Total()),
			"first step": s.first, "allocations": a.Mean, "free": t.free(o.Threads), "pause": m.Pause,
		},
	}
	if base == "nf4" {
		row.Checks = append(row.Checks, compare.Check{What: "MiB resident", Got: float64(m.Peak) / (1 << 20), Want: mostOfBig >> 20, AtMost: true, Unknown: m.Peak == 0})
	}
	row.Judge()
	row.Note = fmt.Sprintf("matrix products at %.3f of the peak; %d MiB resident, formula %s MB: base %s + packed %s + activations %s + adapters %s + optimizer %s; %.1f s from the start to the first step; %.0f allocations a step, the longest pause for the collection of garbage %.2f ms; losses %.4f … %.4f",
		t.share(s, o.Threads), m.Peak>>20, megabytes(m.Formula.Total()), megabytes(m.Formula.Base), megabytes(m.Formula.Packed),
		megabytes(m.Formula.Activations), megabytes(m.Formula.Adapters), megabytes(m.Formula.Optimizer), s.first, a.Mean, 1e3*m.Pause,
		s.losses[0], slices.Min(s.losses))
	return row, nil
}
