package analyze

import (
	"slices"
	"testing"
)

func TestShorten(t *testing.T) {
	for _, c := range [][2][]string{
		{{"/a/b/start", "/a/b/end/"}, {"start", "end"}},
		{{"runs/lora/adapter", "runs/dora/adapter"}, {"lora/adapter", "dora/adapter"}},
		{{"/a/b"}, {"b"}},
		{{"b"}, {"b"}},
		{{"."}, {"."}},
		{{"x", "x/y"}, {"x", "x/y"}},
		{{"/a/x", "/a/x"}, {"x", "x"}},
	} {
		var adapters []*Adapter
		for _, name := range c[0] {
			adapters = append(adapters, &Adapter{Name: name})
		}
		shorten(adapters)
		var got []string
		for _, a := range adapters {
			got = append(got, a.Short)
		}
		if !slices.Equal(got, c[1]) {
			t.Errorf("%q: %q, want %q", c[0], got, c[1])
		}
	}
}
