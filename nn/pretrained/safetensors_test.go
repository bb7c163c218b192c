package pretrained

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// file is a safetensors file with that header, and n bytes of data.
func file(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, n)...)
}

// TestParseErrors: each hostile file is one error of one line that names the
// file, and the tensor where one is to blame.
func TestParseErrors(t *testing.T) {
	length := func(n uint64) []byte { return append(binary.LittleEndian.AppendUint64(nil, n), "{}"...) }
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "0 bytes"},
		{"short", []byte{1, 2, 3}, "3 bytes"},
		{"header beyond the end", length(3), "truncated"},
		{"header of 2⁶⁰ bytes", length(1 << 60), "must be at most"},
		{"header of 2⁶⁴-1 bytes", length(math.MaxUint64), "must be at most"},
		{"no header", length(0), "does not begin with {"},
		{"an array", file(`[]`, 0), "does not begin with {"},
		{"leading space", file(` {}`, 0), "does not begin with {"},
		{"cut JSON", file(`{"a":{"dtype":"F32"`, 0), "unexpected"},
		{"junk after", file(`{}{}`, 0), `"{" at byte 2: must be the end`},
		{"nested deep", file(`{"a":`+strings.Repeat("[", 200_000), 0), `tensor "a"`},
		{"no UTF-8", file("{\"\xff\":1}", 0), "UTF-8"},
		{"twice", file(`{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[],"data_offsets":[1,2]}}`, 2), `tensor "a" stands twice`},
		{"metadata of numbers", file(`{"__metadata__":{"n":1}}`, 0), "must be a string"},
		{"metadata twice", file(`{"__metadata__":{},"__metadata__":{}}`, 0), "stands twice"},
		{"not an object", file(`{"a":[1]}`, 0), `tensor "a"`},
		{"null", file(`{"a":null}`, 0), `tensor "a"`},
		{"no dtype", file(`{"a":{"shape":[],"data_offsets":[0,0]}}`, 0), "must all be there"},
		{"no shape", file(`{"a":{"dtype":"U8","data_offsets":[0,1]}}`, 1), "must all be there"},
		{"no offsets", file(`{"a":{"dtype":"U8","shape":[]}}`, 1), "must all be there"},
		{"empty dtype", file(`{"a":{"dtype":"","shape":[1],"data_offsets":[0,1]}}`, 1), `dtype "" is not known`},
		{"unknown dtype", file(`{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}`, 4), `tensor "a": dtype "F31"`},
		{"dtype in small letters", file(`{"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}}`, 4), "not known"},
		{"key in capitals", file(`{"a":{"DTYPE":"F32","shape":[1],"data_offsets":[0,4]}}`, 4), `key "DTYPE"`},
		{"unknown key", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}`, 4), `key "x"`},
		{"key twice", file(`{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}`, 4), "shape stands twice"},
		{"offsets twice", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4]}}`, 4), "data_offsets stands twice"},
		{"three offsets", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}}`, 1), "data_offsets [0 1 1]"},
		{"reversed offsets", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}`, 1), "data_offsets [1 0]"},
		{"negative offset", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}}`, 1), `"-1" at byte`},
		{"fraction", file(`{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}`, 1), `"1.0" at byte`},
		{"exponent", file(`{"a":{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}}`, 1), `"1e0" at byte`},
		{"string for a number", file(`{"a":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}}`, 1), "must be an integer"},
		{"2⁶⁴ rows", file(`{"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,0]}}`, 0), "must be an integer"},
		{"product wraps to 0", file(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, 0), "overflows"},
		{"bytes overflow", file(fmt.Sprintf(`{"a":{"dtype":"F32","shape":[%d],"data_offsets":[0,0]}}`, math.MaxInt/2+1), 0), "overflows"},
		{"shape too large", file(`{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,20]}}`, 20), `tensor "a": shape [2 3] of F32 takes 24 bytes, data_offsets [0 20] hold 20`},
		{"beyond the data", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 7), `tensor "a" ends at byte 8 of 7`},
		{"trailing bytes", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 9), "9 bytes of data, the tensors cover 8"},
		{"data without tensors", file(`{}`, 1), "1 bytes of data, the tensors cover 0"},
		{"hole at 0", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), `tensor "a" starts at byte 1 of the data: a hole after the header`},
		{"hole", file(`{"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 3), `tensor "b" starts at byte 2 of the data: a hole after "a"`},
		{"overlap", file(`{"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 3), `tensor "b" starts at byte 1 of the data, within "a"`},
		{"NaN for a name", file(`{NaN:{"dtype":"U8","shape":[],"data_offsets":[0,1]}}`, 1), `"NaN" at byte 1`},
		{"NaN for a number", file(`{"a":{"dtype":"U8","shape":[NaN],"data_offsets":[0,1]}}`, 1), `tensor "a": "NaN" at byte`},
		{"null for a number", file(`{"a":{"dtype":"U8","shape":[null],"data_offsets":[0,1]}}`, 1), `must be an integer`},
		{"huge number", file(`{"a":{"dtype":"U8","shape":[`+strings.Repeat("9", 1<<20)+`],"data_offsets":[0,1]}}`, 1), "must be an integer"},
		{"huge exponent", file(`{"a":{"dtype":"U8","shape":[1e999999999],"data_offsets":[0,1]}}`, 1), `"1e999999999" at byte`},
		{"negative zero", file(`{"a":{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}}`, 1), `"-0" at byte`},
		{"65 dimensions", file(`{"a":{"dtype":"U8","shape":[`+strings.Repeat("1,", 64)+`1],"data_offsets":[0,1]}}`, 1), "more than 64 integers"},
		{"long name", file(`{"`+strings.Repeat("x", 4097)+`":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1), "a name of 4097 bytes"},
		{"long type", file(`{"a":{"dtype":"`+strings.Repeat("x", 1<<20)+`","shape":[1],"data_offsets":[0,1]}}`, 1), "not known"},
		{"a string of two lines", file(`{"a":"x\ny"}`, 1), `tensor "a": "\"" at byte 5: must be {`},
		{"nested in a shape", file(`{"a":{"dtype":"U8","shape":`+strings.Repeat("[", 100_000), 0), `tensor "a"`},
		{"nested in metadata", file(`{"__metadata__":{"a":`+strings.Repeat(`{"a":`, 100_000), 0), "must be a string"},
		{"comma before the end", file(`{"a":{"dtype":"U8","shape":[1,],"data_offsets":[0,1]}}`, 1), `tensor "a": "]" at byte`},
		{"comma twice", file(`{"a":{"dtype":"U8","shape":[1,,1],"data_offsets":[0,1]}}`, 1), `tensor "a": "," at byte`},
		{"no comma", file(`{"a":{"dtype":"U8","shape":[1 1],"data_offsets":[0,1]}}`, 1), `tensor "a": "1" at byte`},
		{"leading zero", file(`{"a":{"dtype":"U8","shape":[01],"data_offsets":[0,1]}}`, 1), `"01" at byte`},
		{"sign", file(`{"a":{"dtype":"U8","shape":[+1],"data_offsets":[0,1]}}`, 1), `"+1" at byte`},
		{"underscore", file(`{"a":{"dtype":"U8","shape":[1_0],"data_offsets":[0,1]}}`, 1), `"1_0" at byte`},
		{"control character", file("{\"a\x01\":1}", 0), `control character '\x01'`},
		{"unknown escape", file(`{"\x":1}`, 0), "the string at byte 1"},
		{"escape at the end", file(`{"\`, 0), "unexpected EOF"},
		{"no colon", file(`{"a"{}}`, 0), `"{" at byte 4: must be :`},
		{"bracket for a brace", file(`{"a":{"dtype":"U8","shape":[1},"data_offsets":[0,1]}}`, 1), `tensor "a": "}" at byte`},
		{"overflowing offsets", file(fmt.Sprintf(`{"a":{"dtype":"U8","shape":[%d],"data_offsets":[0,%[1]d]}}`, math.MaxInt), 1), fmt.Sprintf(`tensor "a" ends at byte %d of 1 bytes`, math.MaxInt)},
		{"same bytes", file(`{"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 2), "within"},
	} {
		s, err := ParseSafetensors("x.safetensors", c.b)
		switch {
		case err == nil:
			t.Errorf("%s: no error, tensors %q", c.name, s.Names())
		case len(err.Error()) > 300:
			t.Errorf("%s: an error of %d bytes", c.name, len(err.Error()))
		case !strings.HasPrefix(err.Error(), "pretrained: x.safetensors: ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n"):
			t.Errorf("%s: error %q, want the file and %q", c.name, err, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	header := `{"b":{"data_offsets":[8,20],"shape":[3],"dtype":"F32"},"a":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]},` +
		`"none":{"dtype":"F32","shape":[0,5],"data_offsets":[8,8]},"one":{"dtype":"BF16","shape":[],"data_offsets":[20,22]},` +
		`"i":{"dtype":"I32","shape":[1],"data_offsets":[22,26]},"l":{"dtype":"I64","shape":[1],"data_offsets":[26,34]},` +
		`"__metadata__":{"format":"pt","x":"<é>"}}   `
	b := file(header, 34)
	data := b[len(b)-34:]
	binary.LittleEndian.PutUint16(data[2:], 0x3c00)             // 1 in F16
	binary.LittleEndian.PutUint32(data[12:], 0xc0490fdb)        // -π
	binary.LittleEndian.PutUint16(data[20:], 0x4049)            // 3.140625 in BF16
	binary.LittleEndian.PutUint32(data[22:], 0xffff_ffff)       // -1
	binary.LittleEndian.PutUint64(data[26:], 1<<63|uint64(100)) // near the least int64
	s, err := ParseSafetensors("x", b)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "i", "l", "none", "one"}; !slices.Equal(s.Names(), want) {
		t.Errorf("names %q, want %q", s.Names(), want)
	}
	if s.Metadata["x"] != "<é>" || len(s.Metadata) != 2 {
		t.Errorf("metadata %q", s.Metadata)
	}
	for _, want := range []Tensor{
		{"a", []int{2, 2}, []float32{0, 1, 0, 0}},
		{"b", []int{3}, []float32{0, -math.Pi, 0}},
		{"none", []int{0, 5}, nil},
		{"one", nil, []float32{3.140625}},
	} {
		x, err := s.Tensor(want.Name)
		if err != nil || x.Name != want.Name || !slices.Equal(x.Shape, want.Shape) || !slices.Equal(x.Data, want.Data) {
			t.Errorf("tensor %v, %v; want %v", x, err, want)
		}
	}
	for name, want := range map[string]int64{"i": -1, "l": math.MinInt64 + 100} {
		if v, err := s.Ints(name); err != nil || len(v) != 1 || v[0] != want {
			t.Errorf("%s is %v, %v; want %d", name, v, err, want)
		}
	}
	for name, want := range map[string]string{
		"c": `pretrained: x: no tensor "c"`,
		"i": `pretrained: x: tensor "i" is I32: must be F32, BF16 or F16`,
	} {
		if _, err := s.Tensor(name); err == nil || err.Error() != want {
			t.Errorf("Tensor(%q): error %v, want %s", name, err, want)
		}
	}
}

// TestFloat16 holds every half against its definition.
func TestFloat16(t *testing.T) {
	b := file(`{"x":{"dtype":"F16","shape":[65536],"data_offsets":[0,131072]}}`, 1<<17)
	data := b[len(b)-1<<17:]
	for i := range 1 << 16 {
		binary.LittleEndian.PutUint16(data[2*i:], uint16(i))
	}
	s, err := ParseSafetensors("x", b)
	if err != nil {
		t.Fatal(err)
	}
	x, err := s.Tensor("x")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1 << 16 {
		h := uint16(i)
		sign, exp, frac := 1.0, int(h>>10&31), float64(h&1023)
		if h>>15 == 1 {
			sign = -1
		}
		want := sign * math.Ldexp(1+frac/1024, exp-15)
		switch {
		case exp == 0:
			want = math.Copysign(math.Ldexp(frac/1024, -14), sign)
		case exp == 31 && frac == 0:
			want = math.Inf(int(sign))
		case exp == 31:
			want = math.NaN()
		}
		got := x.Data[i]
		if math.Float32bits(got) != math.Float32bits(float32(want)) && !(math.IsNaN(want) && got != got) {
			t.Fatalf("%#04x is %g, want %g", h, got, want)
		}
	}
}

// TestWriteRead: what was written is read back bit for bit, whatever the order
// that it was given in.
func TestWriteRead(t *testing.T) {
	nan := math.Float32frombits(0x7fc12345)
	long := make([]float32, 1<<15+3)
	for i := range long {
		long[i] = float32(i)
	}
	tensors := []Tensor{
		{"z", []int{2, 2}, []float32{1, nan, float32(math.Inf(-1)), float32(math.Copysign(0, -1))}},
		{"a.<&\"\\é\u2028", []int{len(long)}, long},
		{"empty", []int{3, 0}, nil},
		{"scalar", nil, []float32{7}},
	}
	var first, second bytes.Buffer
	if err := WriteSafetensors(&first, tensors, nil); err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(tensors)
	slices.Reverse(tensors)
	if err := WriteSafetensors(&second, tensors, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the order of the tensors changes the file")
	}
	s, err := ParseSafetensors("x", first.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Names()) != len(before) || len(s.Metadata) != 1 || s.Metadata["format"] != "pt" {
		t.Errorf("names %q, metadata %q", s.Names(), s.Metadata)
	}
	bitEqual := func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }
	for _, want := range before {
		x, err := s.Tensor(want.Name)
		if err != nil || !slices.Equal(x.Shape, want.Shape) || !slices.EqualFunc(x.Data, want.Data, bitEqual) {
			t.Errorf("%q: read %v, %v", want.Name, x.Shape, err)
		}
	}
	if at := first.Len() - 4*(len(long)+5); at%8 != 0 {
		t.Errorf("the data begins at byte %d: must be a multiple of 8", at)
	}
}

func TestWriteErrors(t *testing.T) {
	x := []float32{1, 2}
	for _, c := range []struct {
		tensors []Tensor
		want    string
	}{
		{[]Tensor{{"a", []int{2}, x}, {"a", []int{2}, x}}, `tensor "a" stands twice`},
		{[]Tensor{{"a", []int{3}, x}}, `tensor "a": shape [3], 2 values`},
		{[]Tensor{{"a", []int{-1, -2}, x}}, `tensor "a": shape [-1 -2]`},
		{[]Tensor{{"a", []int{math.MaxInt, 4}, nil}}, `tensor "a": shape`},
		{[]Tensor{{"a\xff", []int{2}, x}}, "cannot be the name"},
		{[]Tensor{{"__metadata__", []int{2}, x}}, "cannot be the name"},
	} {
		var b bytes.Buffer
		if err := WriteSafetensors(&b, c.tensors, nil); err == nil || !strings.Contains(err.Error(), c.want) || b.Len() > 0 {
			t.Errorf("error %v after %d bytes, want one with %q after none", err, b.Len(), c.want)
		}
	}
	full := errors.New("disk full")
	for n := range 3 {
		if err := WriteSafetensors(&limited{n, full}, []Tensor{{"a", []int{2}, x}, {"b", []int{2}, x}}, nil); err != full {
			t.Errorf("error %v from a writer that takes %d writes", err, n)
		}
	}
}

// limited is a writer that takes n writes.
type limited struct {
	n   int
	err error
}

func (l *limited) Write(b []byte) (int, error) {
	if l.n--; l.n < 0 {
		return 0, l.err
	}
	return len(b), nil
}

// TestSameFile: of the tensors of a file that the safetensors library wrote,
// the writer makes that file again.
func TestSameFile(t *testing.T) {
	const path = "../llama/testdata/model.safetensors"
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ReadSafetensors(path)
	if err != nil {
		t.Fatal(err)
	}
	var tensors []Tensor
	for _, name := range s.Names() {
		x, err := s.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		tensors = append(tensors, x)
	}
	var b bytes.Buffer
	if err := WriteSafetensors(&b, tensors, nil); err != nil || !bytes.Equal(b.Bytes(), want) {
		t.Errorf("error %v, equal bytes %v", err, bytes.Equal(b.Bytes(), want))
	}
}

func TestReadSafetensorsErrors(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, dir + "/none"} {
		if _, err := ReadSafetensors(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v, want one with the path", err)
		}
	}
}

func ExampleParseSafetensors() {
	var b bytes.Buffer
	WriteSafetensors(&b, []Tensor{{"lora_B", []int{2, 1}, []float32{3, 4}}, {"lora_A", []int{1, 2}, []float32{1, 2}}}, nil)
	s, err := ParseSafetensors("adapter.safetensors", b.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range s.Names() {
		x, _ := s.Tensor(name)
		fmt.Println(x.Name, x.Shape, x.Data)
	}
	// Output:
	// lora_A [1 2] [1 2]
	// lora_B [2 1] [3 4]
}
