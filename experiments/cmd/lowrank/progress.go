package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/lowrank/lowrank/experiments/record"
)

// progress shows a study at work: live bars with the time left on a terminal,
// and elsewhere a line every now and then. It is a sweep.Watcher, whose methods
// are called one at a time.
type progress struct {
	out  io.Writer
	bars *mpb.Progress // nil: plain lines
	all  *mpb.Bar
	runs map[string]*mpb.Bar

	began, told      time.Time
	total, ended     int
	reused, diverged int
	failed           int

	left  atomic.Value // string: how long the planned runs will take still
	shown atomic.Value // string: what the instruments of a run that is alone say
}

// every is the time between plain lines.
const every = 10 * time.Second

func newProgress(out io.Writer) *progress {
	p := &progress{out: out, runs: map[string]*mpb.Bar{}, began: time.Now(), told: time.Now()}
	p.shown.Store("")
	p.left.Store("") // both read by the display's own goroutine, which must never wait for mu
	if f, ok := out.(*os.File); ok && isTerminal(f) {
		p.bars = mpb.New(mpb.WithOutput(f), mpb.WithWidth(60), mpb.WithRefreshRate(200*time.Millisecond))
	}
	return p
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// pretraining returns what to call after every step of making the base.
func (p *progress) pretraining(steps int) func(step int, loss float64) {
	var bar *mpb.Bar
	return func(step int, loss float64) {
		switch {
		case p.bars != nil && bar == nil:
			bar = p.bars.AddBar(int64(steps), mpb.BarRemoveOnComplete(),
				mpb.PrependDecorators(decor.Name("pretraining the base ")),
				mpb.AppendDecorators(decor.Percentage(), decor.Name("  left "), decor.AverageETA(decor.ET_STYLE_MMSS)))
			fallthrough
		case bar != nil:
			bar.SetCurrent(int64(step))
		case time.Since(p.told) > every || step == steps:
			p.told = time.Now()
			fmt.Fprintf(p.out, "pretraining the base: step %d of %d, loss %.3f\n", step, steps, loss)
		}
		if step == steps {
			p.began = time.Now()
		}
	}
}

// calibrating returns what to call before every batch that a start is drawn from.
func (p *progress) calibrating() func(batch, batches int, bytes int64) {
	out := p.out
	if p.bars != nil {
		out = p.bars // above them
	}
	return func(batch, batches int, bytes int64) {
		switch {
		case batch == 0:
			fmt.Fprintf(out, "calibration: %d batches, which count as steps; up to %.1f MB are held\n", batches, float64(bytes)/1e6)
		case time.Since(p.told) > every:
			fmt.Fprintf(out, "calibration: batch %d of %d\n", batch+1, batches)
		default:
			return
		}
		p.told = time.Now()
	}
}

func (p *progress) Plan(runs int) {
	p.total += runs
	if p.bars == nil {
		fmt.Fprintf(p.out, "runs planned: %d\n", runs)
		return
	}
	if p.all == nil {
		p.all = p.bars.AddBar(int64(p.total), mpb.BarPriority(1<<20),
			mpb.PrependDecorators(decor.Name("runs "), decor.CountersNoUnit("%d / %d")),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return p.left.Load().(string) })))
		return
	}
	p.all.SetTotal(int64(p.total), false)
}

func (p *progress) Step(id string, step, steps int, loss float64) {
	if p.bars == nil {
		return
	}
	bar := p.runs[id]
	if bar == nil {
		options := []mpb.BarOption{mpb.BarRemoveOnComplete(), mpb.PrependDecorators(decor.Name(id, decor.WC{W: 28, C: decor.DindentRight}))}
		if p.shown.Load() != "" {
			options = append(options, mpb.BarBtmExtender(mpb.BarFillerFunc(func(w io.Writer, s decor.Statistics) error {
				_, err := fmt.Fprintln(w, cut(p.shown.Load().(string), s.AvailableWidth))
				return err
			})))
		}
		bar = p.bars.AddBar(int64(steps), options...)
		p.runs[id] = bar
	}
	bar.SetCurrent(int64(step))
}

// cut shortens a line to so many characters: one that wraps would stay on the
// screen.
func cut(s string, width int) string {
	r := []rune(s)
	if width < 1 || len(r) <= width {
		return s
	}
	return string(r[:width-1]) + "…"
}

// Show tells what the instruments of a run say, below its bar.
func (p *progress) Show(text string) { p.shown.Store(text) }

func (p *progress) End(rec *record.Run, reused bool, failure error) {
	p.ended++
	switch {
	case reused:
		p.reused++
	case failure != nil:
		p.failed++
	case rec.Status == record.Diverged:
		p.diverged++
	}
	if trained := p.ended - p.reused; trained > 0 {
		rate := time.Since(p.began) / time.Duration(trained) // of all workers together
		p.left.Store("left " + (time.Duration(p.total-p.ended) * rate).Round(time.Second).String())
	} else {
		p.began = time.Now()
	}
	bar := p.runs[rec.ID]
	delete(p.runs, rec.ID)
	say := p.bars == nil && (time.Since(p.told) > every || failure != nil || p.ended == p.total)
	if say {
		p.told = time.Now()
	}
	if bar != nil && !bar.Completed() {
		bar.Abort(true)
	}
	if p.all != nil {
		p.all.SetCurrent(int64(p.ended))
	}
	if failure != nil {
		p.line("%s failed: %v\n", rec.ID, failure)
	}
	if say {
		fmt.Fprintf(p.out, "%d of %d runs %s\n", p.ended, p.total, p.left.Load())
	}
}

// line prints above the bars, or where there are none.
func (p *progress) line(format string, args ...any) {
	if p.bars != nil {
		fmt.Fprintf(p.bars, format, args...)
	} else {
		fmt.Fprintf(p.out, format, args...)
	}
}

// summary counts what happened to the runs.
func (p *progress) summary() string {
	s := fmt.Sprintf("%d runs", p.ended)
	if p.reused > 0 {
		s += fmt.Sprintf(", %d of them there before", p.reused)
	}
	if p.diverged > 0 {
		s += fmt.Sprintf(", %d diverged", p.diverged)
	}
	if p.failed > 0 {
		s += fmt.Sprintf(", %d failed", p.failed)
	}
	return s
}

// close ends the live display; lines printed before would be overwritten.
func (p *progress) close() {
	if p.bars == nil {
		return
	}
	for _, b := range p.runs {
		b.Abort(true)
	}
	if p.all != nil {
		p.all.Abort(false)
	}
	p.bars.Shutdown()
	p.bars, p.all = nil, nil
	clear(p.runs)
}
