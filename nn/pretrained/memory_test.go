package pretrained

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// mixed is a file with values of three types, those of "odd" not aligned.
func mixed() []byte {
	header := `{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"half":{"dtype":"BF16","shape":[1],"data_offsets":[8,10]},` +
		`"none":{"dtype":"F32","shape":[0],"data_offsets":[21,21]},"oddhalf":{"dtype":"F16","shape":[3],"data_offsets":[11,17]},` +
		`"odd":{"dtype":"F32","shape":[1],"data_offsets":[17,21]},"u":{"dtype":"U8","shape":[1],"data_offsets":[10,11]}}`
	header += strings.Repeat(" ", 7-(len(header)+7)%8)
	data := []byte{0, 0, 128, 63, 0, 0, 0, 64, 0x40, 0x40, 9, 0, 0x3c, 0, 0x40, 0, 0xc2, 0, 0, 64, 64}
	return append(file(header, 0), data...)
}

var mixedValues = map[string][]float32{"a": {1, 2}, "half": {3}, "oddhalf": {1, 2, -3}, "odd": {3}, "none": {}}

func writeMixed(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := os.WriteFile(path, mixed(), 0o444); err != nil { // read-only: a private mapping needs no more
		t.Fatal(err)
	}
	return path
}

// each opens a file mapped, and read.
func each(t *testing.T, test func(t *testing.T, path string, s *Safetensors)) {
	for name, from := range map[string]int64{"mapped": 0, "read": math.MaxInt64} {
		t.Run(name, func(t *testing.T) {
			path := writeMixed(t)
			s, err := readSafetensors(path, from)
			if err != nil {
				t.Fatal(err)
			}
			test(t, path, s)
		})
	}
}

func TestMapped(t *testing.T) {
	each(t, func(t *testing.T, _ string, s *Safetensors) {
		if want := t.Name() == "TestMapped/mapped"; s.memory.mapped != want && runtime.GOOS == "linux" {
			t.Errorf("mapped: %v", s.memory.mapped)
		}
		for name, want := range mixedValues {
			if x, err := s.Tensor(name); err != nil || !slices.Equal(x.Data, want) {
				t.Errorf("%s is %v, %v; want %v", name, x.Data, err, want)
			}
		}
		if v, err := s.Ints("u"); err != nil || !slices.Equal(v, []int64{9}) {
			t.Errorf("u is %v, %v", v, err)
		}
		dtype, b, err := s.Raw("half")
		if err != nil || dtype != "BF16" || !bytes.Equal(b, []byte{0x40, 0x40}) || cap(b) != 2 {
			t.Errorf("half is %s %v with room for %d, %v", dtype, b, cap(b), err)
		}
		if dtype, ok := s.DType("oddhalf"); !ok || dtype != "F16" {
			t.Errorf("oddhalf is of %s, %v", dtype, ok)
		}
		if dtype, ok := s.DType("no"); ok || dtype != "" {
			t.Errorf("no is of %s, %v", dtype, ok)
		}
		if _, _, err := s.Raw("no"); err == nil || !strings.Contains(err.Error(), `no tensor "no"`) {
			t.Errorf("error %v", err)
		}
	})
}

// TestAliased: who writes to a tensor changes the memory of the file, not the
// file; there is no room to append into the next tensor.
func TestAliased(t *testing.T) {
	each(t, func(t *testing.T, path string, s *Safetensors) {
		x, err := s.Tensor("a")
		if err != nil {
			t.Fatal(err)
		}
		if aligned := uintptr(unsafe.Pointer(&s.data[0]))%4 == 0; !aligned || cap(x.Data) != 2 {
			t.Fatalf("data aligned %v, room for %d", aligned, cap(x.Data))
		}
		x.Data[0] = 7
		_ = append(x.Data, 8)
		if again, err := s.Tensor("a"); err != nil || again.Data[0] != 7 {
			t.Errorf("%v, %v", again, err)
		}
		if half, err := s.Tensor("half"); err != nil || half.Data[0] != 3 {
			t.Errorf("the next tensor is %v, %v", half, err)
		}
		if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, mixed()) {
			t.Errorf("the file has changed: %v", err)
		}
	})
}

// TestParsedIsCopied: the bytes that a caller handed in stay as they are.
func TestParsedIsCopied(t *testing.T) {
	b := mixed()
	s, err := ParseSafetensors("x", b)
	if err != nil {
		t.Fatal(err)
	}
	x, err := s.Tensor("a")
	if err != nil {
		t.Fatal(err)
	}
	x.Data[0] = 7
	if !bytes.Equal(b, mixed()) {
		t.Error("Tensor shares the caller's bytes")
	}
}

// TestOtherByteOrder reads and writes as a big-endian machine does.
func TestOtherByteOrder(t *testing.T) {
	defer func(was bool) { littleEndian = was }(littleEndian)
	littleEndian = false
	each(t, func(t *testing.T, _ string, s *Safetensors) {
		for name, want := range mixedValues {
			if x, err := s.Tensor(name); err != nil || !slices.Equal(x.Data, want) {
				t.Errorf("%s is %v, %v; want %v", name, x.Data, err, want)
			}
		}
	})
	var b bytes.Buffer
	if err := WriteSafetensors(&b, []Tensor{{"x", []int{1}, []float32{1}}}, nil); err != nil || !bytes.HasSuffix(b.Bytes(), []byte{0, 0, 128, 63}) {
		t.Errorf("wrote %v, %v", b.Bytes(), err)
	}
}

func TestClose(t *testing.T) {
	each(t, func(t *testing.T, _ string, s *Safetensors) {
		for range 2 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if shape, ok := s.Shape("a"); !ok || !slices.Equal(shape, []int{2}) {
			t.Errorf("shape %v after closing", shape)
		}
		_, tensor := s.Tensor("a")
		_, ints := s.Ints("u")
		_, _, raw := s.Raw("half")
		for _, err := range []error{tensor, ints, raw} {
			if err == nil || !strings.Contains(err.Error(), "the file is closed") {
				t.Errorf("error %v after closing", err)
			}
		}
	})
}

// TestCollected: a mapping outlives its Safetensors exactly when a part of it
// was given away.
func TestCollected(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc/self/maps")
	}
	mappings := func(path string) int {
		b, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Skip(err)
		}
		return strings.Count(string(b), path)
	}
	lent, copied := writeMixed(t), writeMixed(t)
	open := func(path, name string) []float32 {
		s, err := readSafetensors(path, 0)
		if err != nil {
			t.Fatal(err)
		}
		x, err := s.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		return x.Data
	}
	x := open(lent, "a")
	open(copied, "odd")
	for start := time.Now(); mappings(copied) > 0 && time.Since(start) < 10*time.Second; {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if n := mappings(copied); n != 0 {
		t.Errorf("%d mappings of a file whose tensors were copied", n)
	}
	if n := mappings(lent); n != 1 || x[0] != 1 {
		t.Errorf("%d mappings of a file whose tensors were not", n)
	}
}

// TestTruncatedFile: a file that ends early is an error that names it.
func TestTruncatedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cut.safetensors")
	whole := mixed()
	for n := range whole {
		if err := os.WriteFile(path, whole[:n], 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := readSafetensors(path, 0); err == nil || !strings.HasPrefix(err.Error(), "pretrained: "+path+": ") {
			t.Fatalf("%d bytes of %d: %v", n, len(whole), err)
		}
	}
}
