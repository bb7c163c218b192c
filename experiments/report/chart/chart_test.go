package chart

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// check reads svg as XML and reports numbers that are none and marks of Go's
// formatting gone wrong.
func check(t *testing.T, what, svg string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: not XML: %v", what, err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		for _, a := range start.Attr {
			if a.Name.Local == "data-n" || a.Name.Local == "aria-label" {
				continue
			}
			if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") || strings.Contains(a.Value, "%!") {
				t.Errorf("%s: <%s %s=%q>", what, start.Name.Local, a.Name.Local, a.Value)
			}
			if a.Name.Local == "width" || a.Name.Local == "height" {
				if v, err := strconv.ParseFloat(a.Value, 64); err != nil || v < 0 {
					t.Errorf("%s: <%s %s=%q>", what, start.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
}

// hostile are values that a chart has to survive.
var hostile = []float64{0, -1, 1, 1e-300, 1e300, -1e300, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64,
	math.NaN(), math.Inf(1), math.Inf(-1), 3, 3.0000000001}

func TestHostileValues(t *testing.T) {
	var clouds [][]float64
	clouds = append(clouds, nil, hostile)
	for _, v := range hostile {
		clouds = append(clouds, []float64{v}, []float64{v, v}, []float64{1, v})
		for _, w := range hostile {
			clouds = append(clouds, []float64{v, w, 2})
		}
	}
	name := `<b>"a" & 'b'</b>` + "\x00\xff"
	for _, values := range clouds {
		for _, log := range []bool{false, true} {
			a := Axis{Title: name, Log: log, Whole: len(values)%2 == 0}
			steps := make([]float64, len(values))
			for i := range steps {
				steps[i] = float64(i + 1)
			}
			s := Series{Name: name, Style: -5, X: steps, Y: values, Low: values, High: steps, Line: true, Mark: true, Tips: []string{name}, End: name}
			var edges []Edge
			var rules []Rule
			var labels []Label
			for _, v := range values {
				edges, rules = append(edges, Edge{X: v, Name: name, Style: 3, Tip: name}), append(rules, Rule{v, name})
				labels = append(labels, Label{v, v, name})
			}
			at := fmt.Sprintf("values %g, log %v", values, log)
			plot := Plot{Title: name, Width: 350, Height: 200, X: Axis{Log: log}, Y: a, Series: []Series{s}, Edges: edges, Rules: rules, Labels: labels, Legend: true}
			check(t, at, plot.SVG())
			plot.Series[0].X, plot.Series[0].Y = values, steps
			plot.Y.Min, plot.Y.Max = 0.5, 1.5
			check(t, at, plot.SVG())
			check(t, at, Rows{Title: name, Width: 350, X: a, Rules: rules, Rows: []Row{
				{Name: name, Points: values, Low: 1, High: 2, Middle: math.NaN(), OpenLow: true, OpenHigh: true, Note: name}}}.SVG())
		}
		check(t, fmt.Sprint(values), Heat{Title: name, Width: 300, Rows: []string{name, "b"}, Columns: []string{"a", "b", "c"}, Values: [][]float64{values}}.SVG())
	}
	check(t, "empty", Plot{Width: 350, Height: 200}.SVG())
	check(t, "empty", Rows{Width: 350}.SVG())
	check(t, "empty", Heat{Width: 350}.SVG())
}

// TestPlaces puts points where the axes are fixed and compares the pixels with
// those worked out by hand from the frame's own ends.
func TestPlaces(t *testing.T) {
	svg := Plot{Width: 400, Height: 300, X: Axis{Log: true, Min: 1e-4, Max: 1e-2}, Y: Axis{Min: 0, Max: 4},
		Series: []Series{{Name: "a", X: []float64{1e-4, 1e-3, 1e-2}, Y: []float64{0, 1, 4}, Line: true}}}.SVG()
	axis := func(name string) (from, till float64) {
		words := strings.Fields(regexp.MustCompile(name + `="([^"]*)"`).FindStringSubmatch(svg)[1])
		from, _ = strconv.ParseFloat(words[3], 64)
		till, _ = strconv.ParseFloat(words[4], 64)
		return from, till
	}
	left, right := axis("data-x")
	bottom, top := axis("data-y")
	want := fmt.Sprintf(`d="M%s %sL%s %sL%s %s"`, px(left), px(bottom), px((left+right)/2), px(bottom+(top-bottom)/4), px(right), px(top))
	if !strings.Contains(svg, want) {
		t.Errorf("no curve %s in\n%s", want, svg)
	}
	if !(left < right && top < bottom) {
		t.Errorf("frame %g–%g × %g–%g", left, right, top, bottom)
	}
}

func TestGapsStayGaps(t *testing.T) {
	nan := math.NaN()
	svg := Plot{Width: 400, Height: 300, Series: []Series{{X: []float64{1, 2, 3, 4, 5, 6}, Y: []float64{1, nan, 2, 3, math.Inf(1), 4}, Line: true}}}.SVG()
	d := regexp.MustCompile(`class="l" d="([^"]*)"`).FindStringSubmatch(svg)[1]
	if m, l := strings.Count(d, "M"), strings.Count(d, "L"); m != 3 || l != 1 {
		t.Errorf("curve %s has %d pieces and %d lines, want 3 and 1", d, m, l)
	}
}

func TestSameBytes(t *testing.T) {
	plot := func() string {
		return Plot{Width: 500, Height: 300, X: Axis{Log: true}, Legend: true,
			Series: []Series{{Name: "a", X: []float64{1, 2, 3}, Y: []float64{3, 1, 2}, Line: true, Mark: true}},
			Labels: []Label{{2, 1, "low"}}, Edges: []Edge{{X: 3}, {X: 2}, {X: 3}}}.SVG()
	}
	if plot() != plot() {
		t.Error("the same plot gives different bytes")
	}
}

func TestTicks(t *testing.T) {
	texts := func(a Axis, low, high float64, count int) string {
		var out []string
		for _, tick := range a.ticks(scale{log: a.Log, low: low, high: high}, count) {
			out = append(out, tick.text)
		}
		return strings.Join(out, " ")
	}
	for _, c := range []struct {
		axis      Axis
		low, high float64
		count     int
		want      string
	}{
		{Axis{}, 0, 1, 4, "0.0 0.2 0.4 0.6 0.8 1.0"},
		{Axis{}, 1.618, 1.703, 5, "1.62 1.64 1.66 1.68 1.70"},
		{Axis{}, -30, 310, 4, "0 100 200 300"},
		{Axis{Whole: true}, 0, 3, 9, "0 1 2 3"},
		{Axis{}, 0, 4e7, 4, "0 1e7 2e7 3e7 4e7"},
		{Axis{Log: true}, 1e-4, 1e-2, 8, "1e-4 2e-4 5e-4 1e-3 2e-3 5e-3 0.01"},
		{Axis{Log: true}, 1e-4, 1e-2, 3, "1e-4   1e-3   0.01"},
		{Axis{Log: true}, 1e-9, 1e3, 3, "1e-8 1e-4 1"},
		{Axis{Log: true}, 1.5, 1.9, 4, "1.5 1.6 1.7 1.8 1.9"},
	} {
		got := texts(c.axis, c.low, c.high, c.count)
		if c.axis.Log && c.count == 3 && c.low == 1e-9 {
			got = strings.Join(strings.Fields(got), " ")
		}
		if got != c.want {
			t.Errorf("ticks of %g to %g (log %v, about %d): %q, want %q", c.low, c.high, c.axis.Log, c.count, got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1: "1", 1.23456: "1.235", 0.00012345: "0.0001234", 1e-5: "1e-5", 123456: "123456",
		1.5e9: "1.5e9", -0.5: "-0.5", math.Inf(1): "–", 100: "100", 1200: "1200"} {
		if got := Number(v); got != want {
			t.Errorf("Number(%g) = %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{3e-4: "3e-4", 0.001: "1e-3", 0.01: "0.01", 0.03: "0.03", 1: "1", 2.5e-5: "2.5e-5"} {
		if got := Rate(v); got != want {
			t.Errorf("Rate(%g) = %q, want %q", v, got, want)
		}
	}
}

func TestDownsample(t *testing.T) {
	const n = 10000
	x, y := make([]float64, n), make([]float64, n)
	for i := range x {
		x[i], y[i] = float64(i), math.Sin(float64(i)/500)
	}
	y[1234], y[5678], y[9000] = 50, -50, math.NaN()
	kept := Downsample(x, y, 100)
	if len(kept) > 203 || !slices.IsSorted(kept) {
		t.Errorf("%d points kept, sorted %v; want at most 203", len(kept), slices.IsSorted(kept))
	}
	for _, i := range []int{0, 1234, 5678, 9000, n - 1} {
		if !slices.Contains(kept, i) {
			t.Errorf("point %d is lost", i)
		}
	}
}

// TestLabelsDoNotTouch sets labels of a crowd as large as a study's and
// compares the boxes of their texts.
func TestLabelsDoNotTouch(t *testing.T) {
	s := Series{Name: "methods", Mark: true}
	var labels []Label
	for i := range 18 {
		s.X = append(s.X, float64(i*7%18)+0.3*float64(i%3))
		s.Y = append(s.Y, float64(i*5%18))
		labels = append(labels, Label{s.X[i], s.Y[i], fmt.Sprintf("method-%d", i)})
	}
	svg := Plot{Width: 800, Height: 400, Series: []Series{s}, Labels: labels}.SVG()
	var boxes []box
	for _, m := range regexp.MustCompile(`class="x m n halo" x="([\d.]+)" y="([\d.]+)">([^<]*)`).FindAllStringSubmatch(svg, -1) {
		x, _ := strconv.ParseFloat(m[1], 64)
		y, _ := strconv.ParseFloat(m[2], 64)
		half := textWidth(m[3], smallSize) / 2
		b := box{x - half, y - 9, x + half, y + 2}
		for _, o := range boxes {
			if b.overlap(o) > 0 {
				t.Errorf("%s lies on another label", m[3])
			}
		}
		boxes = append(boxes, b)
	}
	if len(boxes) != len(labels) {
		t.Errorf("%d labels of %d", len(boxes), len(labels))
	}
}

func TestFileStandsAlone(t *testing.T) {
	svg := File(Plot{Title: "T", Width: 300, Height: 200}.SVG())
	check(t, "file", svg)
	if !strings.HasPrefix(svg, `<svg xmlns="http://www.w3.org/2000/svg" `) || !strings.Contains(svg, "prefers-color-scheme") {
		t.Errorf("no name space or no style in %.200s", svg)
	}
	if !strings.Contains(svg, `viewBox="-12 -12 324 224" width="324" height="224" role="img"`) {
		t.Errorf("no margin in %.200s", svg)
	}
	if strings.Count(svg, "http") != 1 {
		t.Error("the file names an address beside its name space")
	}
}

func ExamplePlot() {
	svg := Plot{Title: "Held-out loss", Width: 400, Height: 240,
		X: Axis{Title: "learning rate", Log: true}, Y: Axis{Title: "nats per token"},
		Series: []Series{{Name: "lora", X: []float64{1e-4, 1e-3, 1e-2}, Y: []float64{1.9, 1.6, 1.7}, Line: true, Mark: true}}}.SVG()
	fmt.Println(svg[:42])
	// Output: <svg class="chart" viewBox="0 0 400 240" w
}
