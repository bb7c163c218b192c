package lora_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
)

func TestEveryRowIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range lora.Methods() {
		if seen[m.Name] || m.Name == "" || m.Paper == "" {
			t.Errorf("row %q has no name of its own, or no paper", m.Name)
		}
		seen[m.Name] = true
		if err := m.Check(); err != nil {
			t.Error(err)
		}
		composed, err := lora.Compose(lora.Recipe{Method: m.Name})
		if err != nil || !reflect.DeepEqual(composed, m) {
			t.Errorf("Compose of row %s gives %+v, %v", m.Name, composed, err)
		}
		b, _ := json.Marshal(m.Recipe())
		var back lora.Recipe
		if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, m.Recipe()) {
			t.Errorf("recipe %+v is read back as %+v, %v", m.Recipe(), back, err)
		}
	}
}

func TestCompose(t *testing.T) {
	options := func(name string, v float64) map[string]float64 { return map[string]float64{name: v} }
	for _, c := range []struct {
		recipe lora.Recipe
		want   string // the name, or what the error says
	}{
		{lora.Recipe{}, "lora"},
		{lora.Recipe{Method: "dora", Delta: "dora"}, "dora"},
		{lora.Recipe{Delta: "dora", Init: "pissa", Update: "lora-pro", Rank: "adalora"}, "lora+delta:dora+init:pissa+update:lora-pro+rank:adalora"},
		{lora.Recipe{Method: "mola", Router: "none"}, "mola+router:none"},
		{lora.Recipe{Method: "lora-plus", Options: options("ratio", 4)}, "lora-plus(ratio=4)"},
		{lora.Recipe{Method: "lora-plus", Options: options("update.ratio", 4)}, "lora-plus(update.ratio=4)"},

		{lora.Recipe{Method: "dorra"}, `no method is called "dorra"; there are, nearest first: dora, lora,`},
		{lora.Recipe{Init: "pisa"}, `nearest first: pissa,`},
		{lora.Recipe{Init: "dora"}, "init: the row dora has none of its own: rows that have: full, lora,"},
		{lora.Recipe{Router: "dora"}, "rows that have: lora-moe, mola, none"},
		{lora.Recipe{Delta: "full", Init: "full", Update: "lora-pro"}, "update lora-pro needs trained factors A and B, which delta full does not provide"},
		{lora.Recipe{Delta: "hira", Init: "pissa"}, "init pissa needs an update s·B·A that is added to the base, which delta hira does not provide"},
		{lora.Recipe{Delta: "dora", Router: "mola"}, "router mola needs a low-rank term that gates can weigh, which delta dora does not provide"},
		{lora.Recipe{Router: "lora-moe", Init: "pissa"}, "init pissa needs one weight for all tokens, which router lora-moe does not provide"},
		{lora.Recipe{Update: "lora-fa", Rank: "adalora"}, "rank adalora needs trained factors A and B, but update lora-fa freezes A"},
		{lora.Recipe{Delta: "full"}, "init lora needs free factors A and B, which delta full does not provide"},
		{lora.Recipe{Method: "lora-plus", Options: options("rato", 4)}, `option "rato": method lora-plus has, nearest first: update.ratio,`},
		{lora.Recipe{Method: "mola", Options: options("top-k", 2.5)}, `option "top-k" is 2.5: must be a whole number`},
		{lora.Recipe{Method: "mola", Options: options("top-k", 0)}, "top-k is 0: must be at least 1"},
		{lora.Recipe{Method: "rslora", Options: options("rank-root", 3)}, "must be 0 or 1"},
	} {
		m, err := lora.Compose(c.recipe)
		if strings.Contains(c.want, " ") {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Compose(%+v) answers %v, want …%s…", c.recipe, err, c.want)
			} else if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %v", err)
			}
			continue
		}
		if err != nil || m.Name != c.want {
			t.Errorf("Compose(%+v) = %q, %v, want %q", c.recipe, m.Name, err, c.want)
		}
		if again, err := lora.Compose(m.Recipe()); err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("the recipe of %s composes %+v, %v", m.Name, again, err)
		}
	}
}

func TestPartRows(t *testing.T) {
	for _, m := range lora.Methods() {
		again, err := lora.Compose(m.PartRows())
		same := reflect.DeepEqual([]any{again.Delta, again.Initial, again.Update, again.Rank, again.Router}, []any{m.Delta, m.Initial, m.Update, m.Rank, m.Router})
		if err != nil || !same {
			t.Errorf("%s: the rows %+v compose %+v, %v", m.Name, m.PartRows(), again, err)
		}
	}
	for _, c := range []struct{ rows, of lora.Recipe }{
		{lora.Recipe{Delta: "full", Init: "full", Update: "lora", Rank: "none", Router: "none"}, lora.Recipe{Method: "full"}},
		{lora.Recipe{Delta: "vera", Init: "full", Update: "lora", Rank: "none", Router: "none"}, lora.Recipe{Method: "vera"}},
		{lora.Recipe{Delta: "lora", Init: "pissa", Update: "lora-pro", Rank: "adalora", Router: "none"}, lora.Recipe{Init: "pissa", Update: "lora-pro", Rank: "adalora"}},
		{lora.Recipe{Delta: "lora", Init: "lora", Update: "lora-plus", Rank: "none", Router: "lora-moe"}, lora.Recipe{Method: "lora-plus", Router: "lora-moe", Options: map[string]float64{"ratio": 3, "balance": 0.5}}},
	} {
		m, err := lora.Compose(c.of)
		if have := m.PartRows(); err != nil || !reflect.DeepEqual(have, c.rows) {
			t.Errorf("%s: have the rows %+v, %v, want %+v", m.Name, have, err, c.rows)
		}
	}
}

func TestNamed(t *testing.T) {
	names, err := lora.Named([]string{"pissa", "axis:init", "lora", "pissa"})
	if err != nil || names[0] != "pissa" || names[len(names)-1] != "lora" {
		t.Fatalf("%v, %v", names, err)
	}
	rows := 0
	for _, m := range lora.Methods() {
		if m.Axis == lora.Initialisation {
			rows++
		}
	}
	if len(names) != rows+1 {
		t.Errorf("%d names of %d rows and another one", len(names), rows)
	}
	if all, err := lora.Named([]string{"all"}); err != nil || len(all) != len(lora.Methods()) {
		t.Errorf("all are %d, %v", len(all), err)
	}
	for _, bad := range []string{"axis:", "axis:speed", "pisssa", ""} {
		if _, err := lora.Named([]string{bad}); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q is answered by %v", bad, err)
		}
	}
}

// A method put together by hand is refused by the same rules.
func TestCheckOfAMethodByHand(t *testing.T) {
	m, _ := lora.Row("lora")
	m.Update = nil
	if err := m.Check(); err == nil || !strings.Contains(err.Error(), "has no update") {
		t.Errorf("a method without update rule: %v", err)
	}
	if m, _ := lora.Row("lora-ga"); !m.Needs(adapter.FullGradient) {
		t.Error("lora-ga needs no gradient")
	}
}

// What holds for every method must not know any: no row's name stands in
// these files, and none of the packages of parts.
func TestNoMethodIsNamed(t *testing.T) {
	rows := map[string]bool{}
	for _, m := range lora.Methods() {
		rows[m.Name] = true
	}
	delete(rows, "lora") // the package's own name, in its messages
	for _, file := range []string{"inject.go", "state.go", "merge.go", "calibrate.go", "stream.go", "peft.go", "peftload.go", "targets.go"} {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range f.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			if part, ok := strings.CutPrefix(path, "github.com/lowrank/lowrank/lora/"); ok && part != "adapter" && part != "nearest" {
				t.Errorf("%s imports %s", file, path)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			for _, word := range strings.FieldsFunc(lit.Value, func(r rune) bool { return strings.ContainsRune(" \"`\n\t,:;()", r) }) {
				if rows[word] {
					t.Errorf("%s names %s", fset.Position(lit.Pos()), word)
				}
			}
			return true
		})
	}
}
