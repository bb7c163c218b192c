package notebooks

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Table shows rows below a header, all with as many columns, below the cell
// that calls it: columns of text to the left, those of numbers to the right.
func (nb *Notebook) Table(header []string, rows ...[]string) {
	all := append([][]string{header}, rows...)
	numbers, widths := make([]bool, len(header)), make([]int, len(header))
	for i := range header {
		for k, row := range all {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
			numbers[i] = numbers[i] || k > 0 && number.MatchString(row[i])
		}
	}
	var page, plain strings.Builder
	page.WriteString("<table>\n")
	for k, row := range all {
		tag := "td"
		if k == 0 {
			tag = "th"
		}
		var line strings.Builder
		page.WriteString("<tr>")
		for i, text := range row {
			align, pad := "left", strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			if numbers[i] {
				align = "right"
				line.WriteString("  " + pad + text)
			} else {
				line.WriteString("  " + text + pad)
			}
			fmt.Fprintf(&page, `<%s style="text-align:%s">%s</%s>`, tag, align, html.EscapeString(text), tag)
		}
		page.WriteString("</tr>\n")
		plain.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	page.WriteString("</table>\n")
	nb.put(output{html: page.String(), text: plain.String()}, plain.String())
}

// number is how a cell begins that makes its column one of numbers, where others may
// say why they have none.
var number = regexp.MustCompile(`^[≥≤<>≈±+−-]?\s*([0-9]|∞|NaN|Inf)`)
