package record

import (
	"strconv"
	"strings"
)

// place splits the name of an adapter into its block, up to the last number, and
// what is adapted there: model.layers.3 and self_attn.q_proj. Of aggregates the
// pattern model.layers.3.* comes apart likewise, *.q_proj into * and q_proj, and
// the * of the whole model is the block *. What lies in no block has the block
// "". A block and a map, joined by a dot, are the name again.
func place(name string) (layer, of string) {
	if name == "*" {
		return name, ""
	}
	if rest, ok := strings.CutPrefix(name, "*."); ok {
		return "*", rest
	}
	parts := strings.Split(name, ".")
	for i := len(parts) - 2; i >= 0; i-- {
		if _, err := strconv.Atoi(parts[i]); err == nil {
			return strings.Join(parts[:i+1], "."), strings.Join(parts[i+1:], ".")
		}
	}
	return "", name
}

// joined is the name that place has split. Tables that were written before there
// was a column for the map have the whole name in the block's.
func joined(layer, of string) string {
	switch {
	case of == "":
		return layer
	case layer == "":
		return of
	}
	return layer + "." + of
}
