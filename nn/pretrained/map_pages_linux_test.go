package pretrained

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"github.com/lowrank/lowrank/ag"
)

// Once packed, a weight's pages leave the memory, and are read again when they are
// touched; one into which something was written stays.
func TestRelease(t *testing.T) {
	const rows, cols = 64, 1024 // 64 pages of 4096 bytes, and the halves of two around them
	write := func(name string) *loader {
		t.Helper()
		data := make([]float32, rows*cols)
		for i := range data {
			data[i] = float32(i)
		}
		dir := t.TempDir()
		var file bytes.Buffer
		if err := WriteSafetensors(&file, []Tensor{{name, []int{rows, cols}, data}}, nil); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, WeightsFile), file.Bytes(), 0o444); err != nil {
			t.Fatal(err)
		}
		s, err := readSafetensors(filepath.Join(dir, WeightsFile), 0)
		if err != nil {
			t.Fatal(err)
		}
		return &loader{Checkpoint: &Checkpoint{holder: map[string]*Safetensors{name: s}}, known: map[string]bool{}}
	}
	for _, written := range []bool{false, true} {
		l := write("w")
		values, err := l.Tensor("w", rows, cols)
		if err != nil {
			t.Fatal(err)
		}
		v := ag.NewVariableOf(rows, cols, values)
		if written {
			v.Floats()[rows*cols/2] = math.Pi
		}
		w := ag.NewWeightOf(rows, cols, v.Values())
		w.Forward()
		held := resident(t, values.Floats)
		if written && held < rows-1 || !written && held > 0 {
			t.Errorf("written to: %v: %d of %d pages are in memory", written, held, rows)
		}
		for i, x := range w.Floats() {
			if want := float32(i); x != want && !(written && i == rows*cols/2 && x == math.Pi) {
				t.Fatalf("written to: %v: value %d is %v", written, i, x)
			}
		}
	}
}

// resident counts the whole pages of x that are in memory.
func resident(t *testing.T, x []float32) int {
	t.Helper()
	b := wholePages(valueBytes(x))
	page := os.Getpagesize()
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		t.Skip("nothing tells which pages are in memory: ", err)
	}
	defer f.Close()
	words := make([]byte, len(b)/page*8)
	if _, err := f.ReadAt(words, int64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))/uintptr(page)*8)); err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; len(words) > 0; words = words[8:] {
		n += int(binary.NativeEndian.Uint64(words) >> 63)
	}
	return n
}
