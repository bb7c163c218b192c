package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The committed assembly is what its generator writes.
func TestStale(t *testing.T) {
	texts, err := sources()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range texts {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(got, want) {
			continue
		}
		gotLines, wantLines := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
		for i := 0; ; i++ {
			line := func(lines [][]byte) string {
				if i < len(lines) {
					return string(lines[i])
				}
				return "(end of file)"
			}
			if g, w := line(gotLines), line(wantLines); g != w {
				t.Errorf("%s is not what its generator writes: run go run . here\nline %d\n-%s\n+%s", name, i+1, g, w)
				break
			}
		}
	}
}

// Every return from a function that uses YMM or ZMM registers clears their upper
// halves, without which the caller's SSE code is slow.
func TestZeroUpper(t *testing.T) {
	for name, generate := range generators {
		text, err := source(generate)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, function := range strings.Split(string(text), "\nTEXT ")[1:] {
			title, body, _ := strings.Cut(function, "\n")
			dirty, returns := false, 0
			for line := range strings.Lines(body) {
				fields := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t,\n", r) })
				if len(fields) == 0 {
					continue
				}
				for _, operand := range fields[1:] {
					if len(operand) > 1 && strings.ContainsAny(operand[:1], "YZ") && operand[1] <= '9' {
						dirty = true
					}
				}
				switch fields[0] {
				case "VZEROUPPER":
					dirty = false
				case "RET":
					returns++
					if dirty {
						t.Errorf("%s: %s: RET without VZEROUPPER", name, title)
					}
				}
			}
			if returns == 0 {
				t.Errorf("%s: %s: no RET", name, title)
			}
		}
	}
}
