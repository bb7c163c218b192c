package chart

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// File returns svg, the text of a chart, as an SVG file of its own: with the
// XML name space, the stylesheet and a margin.
func File(svg string) string {
	const margin = 12
	head, rest, _ := strings.Cut(svg, ">")
	var width, height float64
	if _, err := fmt.Sscanf(head, `<svg class="chart" viewBox="0 0 %g %g"`, &width, &height); err == nil {
		_, attributes, _ := strings.Cut(head, " role=")
		head = fmt.Sprintf(`<svg class="chart" viewBox="%d %d %s %s" width="%s" height="%s" role=`, -margin, -margin,
			px(width+2*margin), px(height+2*margin), px(width+2*margin), px(height+2*margin)) + attributes
	}
	return strings.Replace(head, "<svg ", `<svg xmlns="http://www.w3.org/2000/svg" `, 1) +
		"><style>" + Stylesheet + "svg.chart{background:var(--paper)}</style>" + rest + "\n"
}

// Number returns v in four significant digits in the shortest form: 0.001234,
// 1e-05, 12.5. A value that is not finite becomes "–".
func Number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "–"
	}
	s := strconv.FormatFloat(v, 'g', 4, 64)
	mantissa, exponent, ok := strings.Cut(s, "e")
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	if mantissa == "-0" {
		mantissa = "0"
	}
	if !ok {
		return mantissa
	}
	n, _ := strconv.Atoi(exponent)
	if n >= 0 && n < 7 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return mantissa + "e" + strconv.Itoa(n)
}

// pen gathers the text of one SVG.
type pen struct{ strings.Builder }

// escape makes text safe inside an element or a quoted attribute, and leaves
// out the control characters XML does not allow.
func escape(text string) string {
	return escaper.Replace(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' || r == 0xFFFE || r == 0xFFFF {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD")))
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")

// px is a coordinate with one decimal.
func px(v float64) string {
	s := strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
	if s == "-0" {
		return "0"
	}
	return s
}

func (p *pen) add(parts ...string) {
	for _, s := range parts {
		p.WriteString(s)
	}
}

// open begins the svg element. attributes is text ready to be written, with a
// leading space.
func (p *pen) open(width, height float64, title, attributes string) {
	p.add(`<svg class="chart" viewBox="0 0 `, px(width), " ", px(height), `" width="`, px(width), `" height="`, px(height),
		`" role="img" aria-label="`, escape(title), `"`, attributes, ">")
}

func (p *pen) line(class string, x1, y1, x2, y2 float64) {
	p.add(`<path class="`, class, `" d="M`, px(x1), " ", px(y1))
	switch {
	case y1 == y2:
		p.add("H", px(x2))
	case x1 == x2:
		p.add("V", px(y2))
	default:
		p.add("L", px(x2), " ", px(y2))
	}
	p.add(`"/>`)
}

func (p *pen) rect(class string, x, y, w, h float64) {
	p.add(`<rect class="`, class, `" x="`, px(x), `" y="`, px(y), `" width="`, px(w), `" height="`, px(h), `"/>`)
}

// text writes text at a point; class has the words e (end) or m (middle) where
// the anchor is not the start.
func (p *pen) text(class string, x, y float64, text string) {
	p.add(`<text`)
	if class != "" {
		p.add(` class="`, class, `"`)
	}
	p.add(` x="`, px(x), `" y="`, px(y), `">`, escape(text), "</text>")
}

// upright writes the title of a vertical axis, turned a quarter to the left.
func (p *pen) upright(x, y float64, text string) {
	p.add(`<text class="t m" transform="translate(`, px(x), " ", px(y), `)rotate(-90)">`, escape(text), "</text>")
}

// textWidth estimates the width in pixels of text set in a sans-serif of the
// given size. It errs on the wide side, so that labels placed by it do not
// touch.
func textWidth(text string, size float64) float64 {
	em := 0.0
	for _, r := range text {
		switch {
		case strings.ContainsRune("iljtfrI.,:;'|!()[] -–", r):
			em += 0.36
		case strings.ContainsRune("mwMW@%", r):
			em += 0.9
		case r >= 'A' && r <= 'Z':
			em += 0.7
		case r > 0x2E80: // CJK and wider
			em++
		default:
			em += 0.58
		}
	}
	return em * size
}

// shorten cuts text to width pixels, with an ellipsis.
func shorten(text string, size, width float64) string {
	if textWidth(text, size) <= width {
		return text
	}
	runes := []rune(text)
	for len(runes) > 1 && textWidth(string(runes)+"…", size) > width {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}
