// Package chart draws scientific charts as SVG text: line charts with bands
// and marks ([Plot]), rows of dots with intervals ([Rows]) and heat maps
// ([Heat]).
//
// A chart is a value; its SVG method returns the same bytes for the same
// value. Points that cannot be drawn (NaN, an infinity, a value ≤ 0 on a
// logarithmic axis) leave a gap; they never reach the text.
//
// The elements carry classes and take their colours from the custom
// properties of [Stylesheet], which has a light and a dark set. Inside a page
// that includes the stylesheet once, the text of SVG is used as it is; [File]
// makes it a file that stands alone.
package chart
