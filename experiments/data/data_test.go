package data

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// counted is a text of which every four bytes tell their place.
func counted(n int) []byte {
	var b []byte
	for i := range n / 4 {
		b = binary.LittleEndian.AppendUint32(b, uint32(i))
	}
	return b
}

// blocksOf returns the numbers in b.
func blocksOf(b []byte) []uint32 {
	var n []uint32
	for i := 0; i+4 <= len(b); i += 4 {
		n = append(n, binary.LittleEndian.Uint32(b[i:]))
	}
	return n
}

func TestSplitDisjointAndComplete(t *testing.T) {
	text := counted(80 * 4 * 25) // blocks of whole numbers
	for _, heldOut := range []float64{0.001, 0.1, 0.25, 0.3, 0.5, 0.9, 0.999} {
		c, err := Split("text", text, heldOut, 8)
		if err != nil {
			t.Errorf("held out %v: %v", heldOut, err)
			continue
		}
		all := append(blocksOf(c.Train), blocksOf(c.HeldOut)...)
		if len(all) != len(text)/4 {
			t.Errorf("held out %v: %d numbers of %d", heldOut, len(all), len(text)/4)
		}
		slices.Sort(all)
		for i, n := range all {
			if n != uint32(i) {
				t.Fatalf("held out %v: number %d stands twice or never", heldOut, i)
			}
		}
		// A fraction comes in steps of a block, and neither part is empty.
		want := min(max(heldOut, 1.0/blocks), 1-1.0/blocks)
		if have := float64(len(c.HeldOut)) / float64(len(text)); math.Abs(have-want) > 0.5/blocks {
			t.Errorf("held out %v: have %v", heldOut, have)
		}
		// Both parts come from all over the text: from each half of it.
		if heldOut >= 0.1 && heldOut <= 0.9 {
			for name, part := range map[string][]byte{"train": c.Train, "held out": c.HeldOut} {
				n := blocksOf(part)
				half := uint32(len(text) / 8)
				if n[0] >= half || n[len(n)-1] < half {
					t.Errorf("held out %v: %s is from %d to %d", heldOut, name, n[0], n[len(n)-1])
				}
			}
		}
	}
}

func TestSplitOfAShortText(t *testing.T) {
	for _, c := range []struct {
		bytes, tokens int
		heldOut       float64
	}{{0, 16, 0.1}, {1, 16, 0.1}, {4, 2, 0.5}, {159, 16, 0.1}, {1000, 1 << 19, 0.1}} {
		_, err := Split("short.txt", counted(c.bytes + 4)[:c.bytes], c.heldOut, c.tokens)
		if err == nil || !strings.Contains(err.Error(), "short.txt") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%d bytes, %d tokens: have error %v", c.bytes, c.tokens, err)
		}
	}
	// The size that the error asks for is enough.
	for _, heldOut := range []float64{0.1, 0.01, 0.7} {
		for tokens := 2; tokens < 100; tokens += 7 {
			aside := max(1, int(math.Round(heldOut*blocks)))
			fewer := min(aside, blocks-aside)
			need := (tokens + fewer) / fewer * blocks
			if _, err := Split("text", make([]byte, need), heldOut, tokens); err != nil {
				t.Errorf("held out %v of %d bytes: %v", heldOut, need, err)
			}
		}
	}
}

func TestDrawDependsOnItsNameAlone(t *testing.T) {
	text := counted(4000)
	draw := func(seed uint64, stream string, index int) *Batch {
		b := NewBatch(3, 8)
		b.Draw(text, seed, stream, index)
		return b
	}
	want := draw(1, "data", 5)
	b := NewBatch(3, 8)
	for i := range 5 { // what was drawn before does not matter
		b.Draw(text, 9, "data", i)
	}
	b.Draw(text, 1, "data", 5)
	if !slices.Equal(b.IDs, want.IDs) || !slices.Equal(b.Targets, want.Targets) {
		t.Error("the batch depends on those before it")
	}
	for what, other := range map[string]*Batch{
		"seed": draw(2, "data", 5), "stream": draw(1, "calibration", 5), "index": draw(1, "data", 6),
	} {
		if slices.Equal(other.IDs, want.IDs) {
			t.Errorf("another %s gives the same batch", what)
		}
	}
	wantWindows(t, want, text)
}

// wantWindows checks that each row is a window of text and its targets the
// window one later.
func wantWindows(t *testing.T, b *Batch, text []byte) (places []int) {
	t.Helper()
	for i := range b.Rows {
		window := make([]byte, b.Tokens+1)
		for k := range b.Tokens {
			window[k], window[k+1] = byte(b.IDs[i*b.Tokens+k]), byte(b.Targets[i*b.Tokens+k])
		}
		at := bytes.Index(text, window)
		if at < 0 {
			t.Errorf("row %d is no window of the text: %v", i, window)
		}
		for k := 1; k < b.Tokens; k++ {
			if b.IDs[i*b.Tokens+k] != b.Targets[i*b.Tokens+k-1] {
				t.Errorf("row %d: token %d is not the target of the one before", i, k)
			}
		}
		places = append(places, at)
	}
	return places
}

// Windows reach both ends of the text and no further.
func TestWindowsAtTheEnds(t *testing.T) {
	text := []byte("abcdefghijklmnopqrst") // every window once
	const tokens = 16                      // so windows start at 0, 1, 2, 3
	seen := map[int]bool{}
	b := NewBatch(4, tokens)
	for i := range 50 {
		b.Draw(text, 1, "ends", i)
		for _, at := range wantWindows(t, b, text) {
			seen[at] = true
		}
	}
	if len(seen) != len(text)-tokens {
		t.Errorf("drew windows at %v", seen)
	}
	exact := NewBatch(2, len(text)-1) // the only window there is
	exact.Draw(text, 1, "exact", 0)
	exact.Spread(text, 0, 2)
	wantWindows(t, exact, text)
}

func TestSpreadIsEven(t *testing.T) {
	text := make([]byte, 256)
	for i := range text {
		text[i] = byte(i)
	}
	const tokens = 15
	var places []int
	b := NewBatch(4, tokens)
	for i := range 3 {
		b.Spread(text, i, 12)
		places = append(places, wantWindows(t, b, text)...)
	}
	last := len(text) - tokens - 1
	if places[0] != 0 || places[11] != last {
		t.Errorf("windows at %v, want the first at 0 and the last at %d", places, last)
	}
	for i := range places[1:] {
		if gap := places[i+1] - places[i]; gap < last/11 || gap > last/11+1 {
			t.Errorf("windows at %v: not even", places)
		}
	}
	// The same windows in the same order, however many stand in a batch.
	for _, rows := range []int{1, 2, 12} {
		var have []int
		b := NewBatch(rows, tokens)
		for i := range 12 / rows {
			b.Spread(text, i, 12)
			have = append(have, wantWindows(t, b, text)...)
		}
		if !slices.Equal(have, places) {
			t.Errorf("%d rows: windows at %v, want %v", rows, have, places)
		}
	}
}

func TestReadText(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.txt")
	if err := os.WriteFile(path, []byte("hello, world"), 0o666); err != nil {
		t.Fatal(err)
	}
	for max, want := range map[int]string{0: "hello, world", 5: "hello", 12: "hello, world", 1 << 40: "hello, world"} {
		if text, err := ReadText(path, max); err != nil || string(text) != want {
			t.Errorf("%d bytes: have %q, %v", max, text, err)
		}
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		dir: "is a directory", empty: "is empty", filepath.Join(dir, "none"): "no such file", os.DevNull: "device",
	} {
		if runtime.GOOS == "windows" && says != "is empty" && says != "is a directory" {
			continue // words of its own
		}
		wantError(t, path, says, func() error { _, err := ReadText(path, 10); return err })
	}
}

func wantError(t *testing.T, what, says string, f func() error) {
	t.Helper()
	err := f()
	if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), what) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: have error %v, want one line with %q", what, err, says)
	}
}

// The texts that every Go installation has: enough of them, and the same each
// time.
func TestTextsOfTheInstallation(t *testing.T) {
	for name, find := range map[string]func(int) ([]byte, string, error){"prose": Prose, "Go source": GoSource} {
		text, path, err := find(300_000)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(text) != 300_000 || path == "" {
			t.Errorf("%s: %d bytes from %q", name, len(text), path)
		}
		if again, _, _ := find(1000); !bytes.Equal(again, text[:1000]) {
			t.Errorf("%s: the second time it is another", name)
		}
	}
	text, _, _ := GoSource(2_000_000)
	if !bytes.Contains(text, []byte("package strings")) || bytes.Contains(text, []byte("func Test")) {
		t.Error("the Go source has no package strings, or has tests")
	}
}

// A wrong GOROOT is said in one line, with what to do about it.
func TestNoInstallation(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "go[") // and no pattern of Glob's
	t.Setenv("GOROOT", dir)
	wantError(t, dir, "--base-text", func() error { _, _, err := Prose(1000); return err })
	wantError(t, dir, "--adapt-text", func() error { _, _, err := GoSource(1000); return err })
}

// So is that there is none at all, whatever the go command says of it.
func TestNoGo(t *testing.T) {
	t.Setenv("GOROOT", "")
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	for script, says := range map[string]string{
		"":          "there is no go command in $PATH",
		"exit 2":    "go env GOROOT: exit status 2",
		"echo":      "go env GOROOT names none",
		"echo /one": "/one",
	} {
		command := filepath.Join(dir, "go")
		os.Remove(command)
		if script != "" {
			if err := os.WriteFile(command, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		wantError(t, says, "--base-text", func() error { _, _, err := Prose(1000); return err })
	}
}
