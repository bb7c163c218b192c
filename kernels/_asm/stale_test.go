package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// The committed assembly is what its generator writes.
func TestStale(t *testing.T) {
	for name, generate := range generators {
		want, err := source(generate)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
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
