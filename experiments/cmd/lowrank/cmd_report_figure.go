package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/lowrank/lowrank/experiments/record"
	"github.com/lowrank/lowrank/experiments/report"
	"github.com/lowrank/lowrank/experiments/report/chart"
	"github.com/lowrank/lowrank/experiments/report/raster"
	"github.com/lowrank/lowrank/lora/probe"
)

// runFigure writes one metric's figure and its numbers.
func runFigure(opts reportOptions, dir string, out io.Writer) error {
	if opts.out == "" {
		opts.out = opts.metric + ".svg"
	}
	kind := filepath.Ext(opts.out)
	if kind != ".svg" && kind != ".png" {
		return usage(fmt.Errorf("--output %s: must end in .svg or .png", opts.out))
	}
	selection := report.Selection{Metric: opts.metric, Unit: unitOf(opts.metric)}
	if opts.layer != "" {
		match, err := layersLike(opts.layer)
		if err != nil {
			return usage(err)
		}
		selection.Layers = match
	}
	study := report.Study{}
	if _, err := os.Stat(filepath.Join(dir, "run.json")); err == nil {
		r, err := record.ReadRun(dir)
		if err != nil {
			return usage(err)
		}
		study.Runs = []*record.Run{r}
		study.Metrics = func(*record.Run) ([]record.Metric, error) { return record.ReadMetrics(dir) }
	} else {
		if study.Runs, err = completeRuns(dir, io.Discard); err != nil {
			return err
		}
		study.Metrics = func(r *record.Run) ([]record.Metric, error) {
			return record.ReadMetrics(filepath.Join(dir, "runs", r.ID))
		}
	}
	drawing, err := report.Draw(study, selection)
	if err != nil {
		return usage(err)
	}
	var picture bytes.Buffer
	if kind == ".png" {
		err = raster.PNG(&picture, drawing.SVG, 2)
	} else {
		_, err = picture.WriteString(chart.File(drawing.SVG))
	}
	if err != nil {
		return err
	}
	err = record.WriteFile(opts.out, func(w io.Writer) error {
		_, err := picture.WriteTo(w)
		return err
	})
	if err != nil {
		return err
	}
	numbers := strings.TrimSuffix(opts.out, kind) + ".csv"
	if err := record.WriteFile(numbers, drawing.CSV); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n%s\n", opts.out, numbers)
	return err
}

// unitOf returns the unit of a metric, "" where the table has none.
func unitOf(metric string) string {
	for _, m := range probe.Metrics() {
		if name := strings.TrimRight(m.Name, "_"); name == strings.TrimRight(metric, "_") || strings.HasSuffix(m.Name, "_") && name == strings.TrimRight(strings.TrimRight(metric, "0123456789"), "_") {
			return m.Unit
		}
	}
	return ""
}

// layersLike returns the test for a pattern: a name, its end after a dot, or a
// regular expression for whole names. What layers come to together has the names *,
// of all, and *.q_proj, of a kind of map.
func layersLike(pattern string) (func(name string) bool, error) {
	if strings.HasPrefix(pattern, "*") {
		return func(name string) bool { return name == pattern }, nil
	}
	match := func(name string) bool { return name == pattern || strings.HasSuffix(name, "."+pattern) }
	if !regexp.MustCompile(`^[\w.-]+$`).MatchString(pattern) {
		re, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			return nil, fmt.Errorf("--layer %q is neither a name nor a regular expression: %w", pattern, err)
		}
		match = re.MatchString
	}
	return func(name string) bool { return !strings.Contains(name, "*") && match(name) }, nil
}
