package pretrained

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// writeVast writes a file of ten tensors of a type, together of size bytes.
func writeVast(b *testing.B, dtype string, size int) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "vast.safetensors")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	header, each := "", size/10&^63
	for i := range 10 {
		header += fmt.Sprintf(`,"%d":{"dtype":"%s","shape":[%d],"data_offsets":[%d,%d]}`, i, dtype, each/widths[dtype], i*each, (i+1)*each)
	}
	header = "{" + header[1:] + "}"
	for len(header)%8 > 0 {
		header += " "
	}
	w.Write(file(header, 0))
	for i := range 10 * each {
		w.WriteByte(byte(i)>>1 | 1)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// benchmarkLoad opens a file of 512 MiB and touches every page of all tensors.
func benchmarkLoad(b *testing.B, dtype string, mapFrom int64) {
	const size, page = 512 << 20, 4096 / 4
	path := writeVast(b, dtype, size)
	b.SetBytes(size)
	for b.Loop() {
		s, err := readSafetensors(path, mapFrom)
		if err != nil {
			b.Fatal(err)
		}
		var sum float32
		for _, name := range s.Names() {
			x, err := s.Tensor(name)
			if err != nil {
				b.Fatal(err)
			}
			for i := 0; i < len(x.Data); i += page {
				sum += x.Data[i]
			}
		}
		if sum == 0 {
			b.Fatal("all values are 0")
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoad(b *testing.B)     { benchmarkLoad(b, "F32", 0) }
func BenchmarkLoadRead(b *testing.B) { benchmarkLoad(b, "F32", 1<<62) }
func BenchmarkLoadBF16(b *testing.B) { benchmarkLoad(b, "BF16", 0) }
func BenchmarkLoadF16(b *testing.B)  { benchmarkLoad(b, "F16", 0) }

// BenchmarkOpen opens a file of 512 MiB and touches nothing but its header.
func BenchmarkOpen(b *testing.B) {
	path := writeVast(b, "F32", 512<<20)
	for b.Loop() {
		s, err := ReadSafetensors(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWrite writes 256 MiB to no disk, and to a file.
func BenchmarkWrite(b *testing.B) {
	x := make([]float32, 64<<20)
	for i := range x {
		x[i] = float32(i)
	}
	tensors := []Tensor{{"x", []int{len(x)}, x}}
	b.Run("discard", func(b *testing.B) {
		b.SetBytes(int64(4 * len(x)))
		for b.Loop() {
			if err := WriteSafetensors(io.Discard, tensors, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("file", func(b *testing.B) {
		b.SetBytes(int64(4 * len(x)))
		path := filepath.Join(b.TempDir(), "x")
		for b.Loop() {
			f, err := os.Create(path)
			if err != nil {
				b.Fatal(err)
			}
			if err := WriteSafetensors(f, tensors, nil); err != nil {
				b.Fatal(err)
			}
			if err := f.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
