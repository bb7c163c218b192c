package compare

import (
	"fmt"
	"math"

	"github.com/lowrank/lowrank/experiments/report/chart"
)

// Roofline draws the machine at one level and number of threads (Williams,
// Waterman and Patterson, 2009): what it can reach at most against the
// operations that work has for a byte it must move, for working sets in each
// cache and in memory, with our kernels and the peers as points.
func Roofline(rep *Report, level string, threads int) string {
	c := chart.Plot{
		Title: fmt.Sprintf("%s, %s, %d %s", rep.CPU.Brand, level, threads, plural(threads, "thread")),
		Width: 860, Height: 520, Legend: true,
		X: chart.Axis{Title: "operations a byte (FLOP/B)", Log: true},
		Y: chart.Axis{Title: "GFLOP/s", Log: true},
	}
	peak := 0.0
	for _, p := range rep.Machine.Peaks {
		if p.Level == level && p.Threads == threads {
			peak = p.GFLOPS
		}
	}
	var points []chart.Series
	low, high := 1.0, 16.0
	for i, name := range []string{"OpenBLAS", "oneDNN", "PyTorch", oursName} {
		s := chart.Series{Name: name, Style: []int{1, 2, 3, 0}[i], Mark: true, Small: true}
		for _, row := range rep.Rows {
			rate := rateOf(row, name)
			if row.Level != level || row.Threads != threads || row.Intensity == 0 || rate == 0 || row.Group == "small" {
				continue
			}
			s.X, s.Y = append(s.X, row.Intensity), append(s.Y, rate)
			s.Tips = append(s.Tips, fmt.Sprintf("%s, %s %s: %.1f GFLOP/s", name, row.Group, row.Name, rate))
			low, high = min(low, row.Intensity), max(high, row.Intensity)
		}
		if len(s.X) > 0 {
			points = append(points, s)
		}
	}
	if peak > 0 {
		c.Rules = []chart.Rule{{At: peak, Text: fmt.Sprintf("FMA peak %.0f GFLOP/s", peak)}}
		for _, b := range rep.Machine.Bandwidths {
			if rate := max(b.Copy, b.Triad); b.Place != "" && b.Threads == threads && rate > 0 {
				c.Series = append(c.Series, roof(rate, peak, low/4, high*2))
				x := math.Sqrt(low / 4 * min(peak/rate, high*2)) // the middle of the slope
				c.Labels = append(c.Labels, chart.Label{X: x, Y: x * rate, Text: fmt.Sprintf("%s %.0f GB/s", b.Place, rate)})
			}
		}
	}
	c.Series = append(c.Series, points...)
	return chart.File(c.SVG())
}

// roof is the line of a bandwidth, in GB/s, up to the peak, from one intensity
// to another.
func roof(rate, peak, low, high float64) chart.Series {
	ridge := min(max(peak/rate, low), high)
	return chart.Series{
		Muted: true, Line: true,
		X: []float64{low, ridge, high},
		Y: []float64{min(peak, low*rate), min(peak, ridge*rate), min(peak, high*rate)},
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
