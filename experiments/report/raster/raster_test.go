package raster

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"testing"

	"github.com/lowrank/lowrank/experiments/report/chart"
)

func painted(t *testing.T, svg string) image.Image {
	t.Helper()
	var b bytes.Buffer
	if err := PNG(&b, svg, 2); err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func at(m image.Image, x, y float64) color.RGBA {
	return color.RGBAModel.Convert(m.At(int((x+margin)*2), int((y+margin)*2))).(color.RGBA)
}

// A line of a known place and colour is there, and is not beside it.
func TestLine(t *testing.T) {
	m := painted(t, `<svg class="chart" viewBox="0 0 100 60"><g class="s c1"><path class="l" d="M10 30H90"/></g><rect class="cell" x="20" y="40" width="10" height="10" fill-opacity="1"/></svg>`)
	if b := m.Bounds(); b.Dx() != 248 || b.Dy() != 168 {
		t.Fatalf("%v: must be 248×168", b)
	}
	for _, c := range []struct {
		x, y float64
		want color.RGBA
	}{
		{50, 30, color.RGBA{0xeb, 0x4b, 0x00, 255}}, // --p1
		{50, 33, color.RGBA{255, 255, 255, 255}},
		{5, 30, color.RGBA{255, 255, 255, 255}},
		{25, 45, color.RGBA{0x0b, 0x5f, 0xa5, 255}}, // --heat
	} {
		if got := at(m, c.x, c.y); got != c.want {
			t.Errorf("(%v, %v) is %v: must be %v", c.x, c.y, got, c.want)
		}
	}
}

// Dashes leave gaps, an inner view cuts off, and text leaves ink where its
// anchor says.
func TestDashesClipsAndText(t *testing.T) {
	m := painted(t, `<svg class="chart" viewBox="0 0 200 60"><path class="rule" d="M0 10H200"/>`+
		`<svg x="0" y="20" width="50" height="10" viewBox="0 20 50 10"><g class="c0"><path class="l" d="M0 25L200 25"/></g></svg>`+
		`<text class="t e" x="150" y="50">HHHH</text></svg>`)
	dark, light := 0, 0
	for x := range 180 {
		if at(m, float64(x), 10).R < 200 {
			dark++
		} else {
			light++
		}
	}
	if dark < 90 || light < 70 { // 5 of 9 pixels
		t.Errorf("a dashed line has %d dark pixels and %d light ones", dark, light)
	}
	if at(m, 40, 25).R > 20 || at(m, 60, 25).R < 250 {
		t.Error("an inner view does not cut off")
	}
	left, right := 0, 0
	for x := 100; x < 200; x++ {
		for y := 38; y < 52; y++ {
			if at(m, float64(x), float64(y)).R < 128 {
				if x < 150 {
					left++
				} else {
					right++
				}
			}
		}
	}
	if left < 40 || right > 0 {
		t.Errorf("text that ends at 150 has %d dark pixels before and %d behind", left, right)
	}
}

// Every kind of chart, with all styles, is painted.
func TestCharts(t *testing.T) {
	var series []chart.Series
	for i := range chart.Styles {
		series = append(series, chart.Series{Name: fmt.Sprint("σ₁‖ΔW‖ ", i), Style: i, X: []float64{1, 2, 3}, Y: []float64{float64(i), 2, 3}, Low: []float64{0, 1, 2}, High: []float64{3, 3, 4}, Line: true, Mark: true})
	}
	for _, svg := range []string{
		chart.Plot{Title: "plot", Width: 400, Height: 300, X: chart.Axis{Title: "x"}, Y: chart.Axis{Title: "y", Min: 1, Max: 3}, Series: series, Legend: true,
			Rules: []chart.Rule{{At: 2, Text: "two"}}, Edges: []chart.Edge{{Name: "e", X: 2}}, Labels: []chart.Label{{X: 2, Y: 2, Text: "here"}}}.SVG(),
		chart.Heat{Title: "heat", Width: 300, Rows: []string{"a"}, Columns: []string{"1", "2"}, Values: [][]float64{{1, 2}}, Unit: "rank", ColumnTitle: "step", RowTitle: "layer"}.SVG(),
		chart.Rows{Title: "rows", Width: 300, Rows: []chart.Row{{Name: "r", Points: []float64{1, 2}, Low: 1, High: 2, OpenLow: true, OpenHigh: true, Middle: 1.5, Note: "n"}}}.SVG(),
		chart.Key(3),
	} {
		ink := 0
		m := painted(t, svg)
		for y := range m.Bounds().Dy() {
			for x := range m.Bounds().Dx() {
				if r, _, _, _ := m.At(x, y).RGBA(); r < 0xf000 {
					ink++
				}
			}
		}
		if ink < 20 {
			t.Errorf("%.60s…: %d pixels of ink", svg, ink)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, svg := range []string{"", "<p/>", "<svg/>", `<svg viewBox="0 0 1e9 1"/>`, `<svg viewBox="0 0 9 9"><path d="Q1 1"/></svg>`, "<svg"} {
		if err := PNG(new(bytes.Buffer), svg, 2); err == nil {
			t.Errorf("%q is painted", svg)
		}
	}
}
