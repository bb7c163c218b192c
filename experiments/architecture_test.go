package experiments

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lowrank/lowrank/lora"
)

const module = "github.com/lowrank/lowrank/"

// floors orders the packages: one imports only from the floors below its own,
// and on its own floor only what stands before it in the list. The longest
// matching prefix counts.
var floors = []string{
	"kernels",
	"ag", "ag/agtest",
	"nn", "nn/optim", "nn/tokenizer", "nn/llama", "nn/bert", "nn/roberta", "nn/distilbert", "nn/gpt2", "nn/t5", "nn/vit", "nn/clip", "nn/image", "nn/generate", "nn/pretrained", "nn/nntest",
	"lora/internal/gram", "lora/geometry", "lora/adapter", "lora/internal/twolayer", "lora/delta", "lora/initial", "lora/update", "lora/rank", "lora/moe", "lora/probe", "lora", "lora/loratest",
	"experiments/data", "experiments/record", "experiments/report/chart", "experiments/report/raster", "experiments/report", "experiments/analyze", "experiments", "experiments/verify", "experiments/sweep", "experiments/study", "experiments/cmd", "experiments/notebooks",
	"bench",
}

// axes are the folders of parts, which must not know of each other.
var axes = []string{"lora/delta", "lora/initial", "lora/update", "lora/rank", "lora/moe", "lora/probe"}

func floor(t *testing.T, pkg string) (int, string) {
	best, at := "", -1
	for i, f := range floors {
		if (pkg == f || strings.HasPrefix(pkg, f+"/")) && len(f) > len(best) {
			best, at = f, i
		}
	}
	if at < 0 {
		t.Errorf("%s stands on no floor: add it to the list or move it", pkg)
	}
	return at, best
}

func TestImportsGoDownwards(t *testing.T) {
	root, files := "..", 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() && rel != "." && (strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		files++
		pkg := filepath.ToSlash(filepath.Dir(rel))
		here, hereName := floor(t, pkg)
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			if imported == "C" {
				t.Errorf("%s imports C: no cgo", rel)
			}
			if !strings.HasPrefix(imported, module) || strings.HasSuffix(path, "_test.go") {
				continue // a test may look up: the conformance suites do
			}
			below, belowName := floor(t, strings.TrimPrefix(imported, module))
			if below > here {
				t.Errorf("%s imports %s, which stands above %s", rel, imported, hereName)
			}
			for _, a := range axes {
				if hereName == a && belowName != a && strings.HasPrefix(belowName, "lora/") && belowName != "lora/adapter" && belowName != "lora/internal/gram" && belowName != "lora/geometry" {
					t.Errorf("%s imports %s: an axis knows lora/adapter and the mathematics alone", rel, imported)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 50 {
		t.Fatalf("saw %d files: the walk has lost the tree", files)
	}
}

// TestNoMethodIsNamed holds the claim that a new method is one file and one
// row: what trains, injects, merges and saves knows none of them.
func TestNoMethodIsNamed(t *testing.T) {
	files := []string{"train.go", "graph.go", "resume.go", "base.go", "batches.go", "shelf.go", "score.go",
		"../lora/inject.go", "../lora/targets.go", "../lora/merge.go", "../lora/peft.go", "../lora/calibrate.go", "../lora/adapter/adapter.go"}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code := regexp.MustCompile(`(?m)^import \((?s:.*?)^\)|//.*$|"github.com[^"]*"`).ReplaceAllString(string(src), "")
		code = regexp.MustCompile(`\blora\.`).ReplaceAllString(code, "") // the package
		for _, m := range lora.Methods() {
			name := strings.ReplaceAll(regexp.QuoteMeta(m.Name), "-", "[-_]?")
			if m.Name == "lora" { // as PEFT's tensor names have it: lora_A
				name = `lora["']`
			}
			if at := regexp.MustCompile(`(?i)\b` + name + `\b`).FindString(code); at != "" {
				t.Errorf("%s names the method %s", file, m.Name)
			}
		}
	}
}
