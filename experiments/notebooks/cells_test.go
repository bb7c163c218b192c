package notebooks

import (
	"slices"
	"strings"
	"testing"
)

// shown is what a test compares of a cell.
func shown(cells []cell) (out []string) {
	for _, c := range cells {
		kind := "code: "
		if c.prose {
			kind = "prose: "
		}
		out = append(out, kind+strings.ReplaceAll(c.text, "\n", "|"))
	}
	return out
}

func TestSplit(t *testing.T) {
	for _, test := range []struct {
		name, file string
		want       []string
	}{
		{"prose stands alone, other comments belong to code", `
// Not a cell.
package main

import "fmt"

func main() {}

func f() {
	// # Title
	//
	//   - item

	// about x
	x := 1 // one

	y := 2
	// about nothing

	// two

	// three
	{
		// inside

		fmt.Println(x, y)
	}

	// the end

	return nil
}
`, []string{"prose: # Title||  - item", "code: // about x|x := 1 // one||y := 2|// about nothing", "prose: two",
			"code: // three|{|\t// inside||\tfmt.Println(x, y)|}", "prose: the end"}},
		{"other declarations follow in order, plumbing is left out", `package main

import (
	_ "embed"
)

// before is a constant.
const before = 1

//go:embed main.go
var source string

func f() {
	println()
}

// Helpers.

// g helps.
func g() {
	// not prose in here

	println()
}

type h int

func main() {
	f()
}
`, []string{"code: // before is a constant.|const before = 1", "code: println()", "prose: Helpers.",
			"code: // g helps.|func g() {|\t// not prose in here||\tprintln()|}||type h int"}},
		{"a method of the same name is another function", `package main

type t int

func (t) f() {}

func f() {}
`, []string{"code: type t int||func (t) f() {}"}},
	} {
		cells, err := split(test.file, "f")
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if got := shown(cells); !slices.Equal(got, test.want) {
			t.Errorf("%s:\n got %q\nwant %q", test.name, got, test.want)
		}
		for _, c := range cells {
			lines := strings.Split(test.file, "\n")[c.first-1 : c.last]
			if got := strings.TrimSpace(lines[0]); !strings.Contains(got, strings.TrimSpace(strings.SplitN(c.text, "\n", 2)[0])) {
				t.Errorf("%s: cell %q says it starts at line %d, which is %q", test.name, c.text, c.first, got)
			}
		}
	}
}

func TestSplitRefuses(t *testing.T) {
	for file, want := range map[string]string{
		"package main\n\nfunc g() {}\n": "notebook source: has no func f: embed the file that declares it",
		"package main\n\nfunc f( {\n":   "notebook source:3:9: ",
		"":                              "notebook source:1:1: ",
	} {
		if _, err := split(file, "f"); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: error is %v, want %q", file, err, want)
		}
	}
}
