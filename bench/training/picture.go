package training

import (
	"fmt"

	"github.com/lowrank/lowrank/bench/compare"
	"github.com/lowrank/lowrank/bench/step"
	"github.com/lowrank/lowrank/experiments/report/chart"
)

// Picture draws the time of a step against the number of threads: a colour a
// shape, a dash a side, thick where the method is LoRA.
func Picture(rep *compare.Report) string {
	c := chart.Plot{
		Title: fmt.Sprintf("A training step, %s", rep.CPU.Brand),
		Width: 860, Height: 560, Legend: true,
		X: chart.Axis{Title: "threads", Whole: true},
		Y: chart.Axis{Title: "ms a step (median)", Log: true},
	}
	for i, s := range step.Shapes {
		for _, method := range named(rep, s.Name) {
			for k, name := range []string{oursName, eagerName, compiledName} {
				line := chart.Series{Style: i + 8*k, Line: true, Mark: true, Thin: method != "lora", Small: method != "lora"}
				if method == "lora" {
					line.Name = fmt.Sprintf("%s, %s", s.Name, name)
				}
				for _, row := range rep.Rows {
					if row.Group != s.Name || row.Name != method {
						continue
					}
					for _, rate := range row.Rates {
						if rate.Side == name {
							line.X, line.Y = append(line.X, float64(row.Threads)), append(line.Y, rate.Rate)
							line.Tips = append(line.Tips, fmt.Sprintf("%s, %s, %s: %.1f ms", s.Name, method, name, rate.Rate))
						}
					}
				}
				if len(line.X) > 0 {
					c.Series = append(c.Series, line)
				}
			}
		}
	}
	return chart.File(c.SVG())
}

// named are the methods of a group, in order, each once.
func named(rep *compare.Report, group string) []string {
	var names []string
	for _, row := range rep.Rows {
		if row.Group == group && (len(names) == 0 || names[len(names)-1] != row.Name) {
			names = append(names, row.Name)
		}
	}
	return names
}
