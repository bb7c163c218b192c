package report

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

func sample(t *testing.T) []byte {
	t.Helper()
	var n Notebook
	n.Markdown("# Title\n\nText with <b>, & and \u2028.")
	n.Code("print(1)\nprint(2)", Text("1\n2\n"), SVG(`<svg xmlns="http://www.w3.org/2000/svg"/>`), PNG([]byte{0x89, 'P', 'N', 'G'}), HTML("<p>x</p>", "x"))
	n.Code("")
	n.Markdown("")
	var b bytes.Buffer
	if err := n.WriteNotebook(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestNotebook reads the JSON back and holds it to nbformat 4.5's schema: the
// members every kind of cell and output must have, no others, and unique ids.
func TestNotebook(t *testing.T) {
	var n struct {
		Cells         []map[string]any
		Metadata      map[string]any
		Nbformat      int
		NbformatMinor int `json:"nbformat_minor"`
	}
	if err := json.Unmarshal(sample(t), &n); err != nil {
		t.Fatal(err)
	}
	if n.Nbformat != 4 || n.NbformatMinor != 5 || n.Metadata["language_info"] == nil || len(n.Cells) != 4 {
		t.Fatalf("format %d.%d, %d cells", n.Nbformat, n.NbformatMinor, len(n.Cells))
	}
	ids := map[any]bool{}
	for i, c := range n.Cells {
		members := map[string]int{"markdown": 4, "code": 6}[c["cell_type"].(string)]
		if len(c) != members {
			t.Errorf("cell %d has the members %v", i, c)
		}
		id := c["id"].(string)
		if ids[id] || !regexp.MustCompile(`^[a-zA-Z0-9-_]{1,64}$`).MatchString(id) {
			t.Errorf("cell %d: id %q", i, id)
		}
		ids[id] = true
		if _, ok := c["source"].([]any); !ok {
			t.Errorf("cell %d: source %v", i, c["source"])
		}
	}
	code := n.Cells[1]
	if code["execution_count"] != 1.0 || n.Cells[2]["execution_count"] != 2.0 {
		t.Errorf("execution counts %v and %v", code["execution_count"], n.Cells[2]["execution_count"])
	}
	if got := code["source"].([]any); len(got) != 2 || got[0] != "print(1)\n" || got[1] != "print(2)" {
		t.Errorf("source %q", got)
	}
	outputs := code["outputs"].([]any)
	if len(outputs) != 4 {
		t.Fatalf("%d outputs", len(outputs))
	}
	if s := outputs[0].(map[string]any); s["output_type"] != "stream" || s["name"] != "stdout" || len(s["text"].([]any)) != 2 {
		t.Errorf("stream %v", s)
	}
	png := outputs[2].(map[string]any)["data"].(map[string]any)["image/png"].(string)
	if raw, err := base64.StdEncoding.DecodeString(png); err != nil || string(raw) != "\x89PNG" {
		t.Errorf("png %q", png)
	}
	if text := n.Cells[0]["source"].([]any)[2]; text != "Text with <b>, & and \u2028." {
		t.Errorf("markdown %q", text)
	}
}

func ExampleNotebook() {
	var n Notebook
	n.Markdown("# Effective rank")
	n.Code("print(8)", Text("8\n"))
	if err := n.WriteNotebook(io.Discard); err != nil {
		fmt.Println(err)
	}
	// Output:
}

func TestEmptyNotebook(t *testing.T) {
	var b bytes.Buffer
	if err := new(Notebook).WriteNotebook(&b); err != nil || !strings.Contains(b.String(), `"cells": []`) {
		t.Errorf("%v: %s", err, b.String())
	}
}

// TestNotebookWithJupyter lets Jupyter's own reader validate the file, where
// it is installed.
func TestNotebookWithJupyter(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil || exec.Command(python, "-c", "import nbformat").Run() != nil {
		t.Skip("python3 with nbformat is not here")
	}
	path := t.TempDir() + "/sample.ipynb"
	if err := os.WriteFile(path, sample(t), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "-W", "error", "-c", "import sys, nbformat; nbformat.validate(nbformat.read(sys.argv[1], as_version=nbformat.NO_CONVERT))", path).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
