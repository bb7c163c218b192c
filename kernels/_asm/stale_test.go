package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
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
	eachFunction(t, func(title string, body [][]string) {
		dirty, returns := false, 0
		for _, words := range body {
			for _, operand := range words[1:] {
				if _, wide := vectorRegister(operand); wide {
					dirty = true
				}
			}
			switch words[0] {
			case "VZEROUPPER":
				dirty = false
			case "RET":
				returns++
				if dirty {
					t.Errorf("%s: RET without VZEROUPPER", title)
				}
			}
		}
		if returns == 0 {
			t.Errorf("%s: no RET", title)
		}
	})
}

// AVX2's functions use the sixteen registers that it has: avo hands out AVX-512's as
// well when those run out.
func TestRegistersOfAVX2(t *testing.T) {
	eachFunction(t, func(title string, body [][]string) {
		if !strings.Contains(title, "AVX2(SB)") {
			return
		}
		for _, words := range body {
			for _, operand := range words[1:] {
				if n, _ := vectorRegister(operand); n > 15 || operand[0] == 'Z' && n >= 0 {
					t.Errorf("%s: %s", title, strings.Join(words, " "))
				}
			}
		}
	})
}

// eachFunction calls check with the title of every function and its instructions, each
// as its words.
func eachFunction(t *testing.T, check func(title string, body [][]string)) {
	for name, generate := range generators {
		text, err := source(generate)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, function := range strings.Split(string(text), "\nTEXT ")[1:] {
			title, lines, _ := strings.Cut(function, "\n")
			var body [][]string
			for line := range strings.Lines(lines) {
				if words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t,\n", r) }); len(words) > 0 {
					body = append(body, words)
				}
			}
			check(name+": "+title, body)
		}
	}
}

// vectorRegister is the number of the register that operand is, or -1, and whether that
// is a YMM or ZMM register.
func vectorRegister(operand string) (number int, wide bool) {
	n, err := strconv.Atoi(operand[1:])
	if err != nil || !strings.Contains("XYZ", operand[:1]) {
		return -1, false
	}
	return n, operand[0] != 'X'
}
