package raster

import (
	"image/color"
	"slices"
	"strconv"
	"strings"
)

// A sheet is the part of a style sheet that holds on light paper.
type sheet struct {
	root  map[string]string
	rules []rule
}

// A rule gives properties to what its selector matches: simple selectors, the
// last one of the element itself, each before it of one that holds it.
type rule struct {
	selector   []simple
	properties map[string]string
	weight     int
}

type simple struct {
	name    string // "" for any element
	classes []string
}

func parseSheet(css string) sheet {
	s := sheet{root: map[string]string{}}
	for css != "" {
		head, rest, ok := strings.Cut(css, "{")
		if !ok {
			break
		}
		if strings.HasPrefix(head, "@") { // the dark colours
			depth, i := 1, 0
			for ; i < len(rest) && depth > 0; i++ {
				switch rest[i] {
				case '{':
					depth++
				case '}':
					depth--
				}
			}
			css = rest[i:]
			continue
		}
		body, after, _ := strings.Cut(rest, "}")
		css = after
		properties := map[string]string{}
		for _, p := range strings.Split(body, ";") {
			if k, v, ok := strings.Cut(p, ":"); ok {
				properties[k] = v
			}
		}
		if font, ok := properties["font"]; ok { // 12px and its families
			properties["font-size"] = strings.Fields(font)[0]
		}
		for _, selector := range strings.Split(head, ",") {
			if selector == ":root" {
				s.root = properties
				continue
			}
			r := rule{properties: properties}
			for _, part := range strings.Fields(selector) {
				names := strings.Split(part, ".")
				r.selector = append(r.selector, simple{names[0], names[1:]})
				r.weight += 10 * len(names[1:])
				if names[0] != "" {
					r.weight++
				}
			}
			s.rules = append(s.rules, r)
		}
	}
	slices.SortStableFunc(s.rules, func(a, b rule) int { return a.weight - b.weight })
	return s
}

// apply gives the last of the open elements the properties that it has.
func (s sheet) apply(open []element) {
	last := &open[len(open)-1]
	for _, r := range s.rules {
		if !matches(r.selector, open) {
			continue
		}
		for k, v := range r.properties {
			last.style[k] = v
		}
	}
}

func matches(selector []simple, open []element) bool {
	n := len(selector) - 1
	if !selector[n].of(&open[len(open)-1]) {
		return false
	}
	at := len(open) - 2
	for n--; n >= 0; n-- {
		for at >= 0 && !selector[n].of(&open[at]) {
			at--
		}
		if at < 0 {
			return false
		}
		at--
	}
	return true
}

func (s simple) of(e *element) bool {
	if s.name != "" && s.name != e.name {
		return false
	}
	for _, c := range s.classes {
		if !slices.Contains(e.classes, c) {
			return false
		}
	}
	return true
}

// colour resolves a value: #rgb, #rrggbb or a variable; nil for none.
func (s sheet) colour(v string, style map[string]string) *color.NRGBA {
	for range 4 { // a variable may be another's value
		name, ok := strings.CutPrefix(v, "var(")
		if !ok {
			break
		}
		name = strings.TrimSuffix(name, ")")
		if v, ok = style[name]; !ok {
			v = s.root[name]
		}
	}
	hex, ok := strings.CutPrefix(v, "#")
	if !ok {
		return nil
	}
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		return nil
	}
	return &color.NRGBA{uint8(n >> 16), uint8(n >> 8), uint8(n), 255}
}
