package pretrained

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Tensor is a named array of float32, row by row.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// Safetensors is a checked file of tensors. Values are decoded when they are
// asked for.
type Safetensors struct {
	Metadata map[string]string // of "__metadata__"; nil where there is none

	file    string
	names   []string
	entries map[string]entry
	data    []byte
}

// ReadSafetensors reads a file and checks its header as [ParseSafetensors]
// does.
func ReadSafetensors(path string) (*Safetensors, error) {
	b, err := readFile(path, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	return ParseSafetensors(path, b)
}

// readFile reads a regular file of at most max bytes.
func readFile(path string, max int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("pretrained: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("pretrained: %s: not a regular file", path)
	case info.Size() > max:
		return nil, fmt.Errorf("pretrained: %s: %d bytes: must be at most %d", path, info.Size(), max)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("pretrained: %w", err)
	}
	return b, nil
}

// ParseSafetensors checks the header of b, the contents of the file named,
// and keeps b. An error names the file, and the tensor where one is to blame:
// a header that is too long, truncated or no JSON; a name that stands twice; a
// shape that overflows or does not fit its bytes; tensors that overlap, leave
// a hole, or do not end where the file ends.
func ParseSafetensors(file string, b []byte) (*Safetensors, error) {
	entries, metadata, data, err := parseHeader(b)
	if err != nil {
		return nil, fmt.Errorf("pretrained: %s: %w", file, err)
	}
	s := &Safetensors{Metadata: metadata, file: file, entries: map[string]entry{}, data: data}
	for _, e := range entries {
		s.names = append(s.names, e.name)
		s.entries[e.name] = e
	}
	slices.Sort(s.names)
	return s, nil
}

// Names returns the names of all tensors, sorted.
func (s *Safetensors) Names() []string { return s.names }

// Shape returns a tensor's shape, and whether there is such a tensor.
func (s *Safetensors) Shape(name string) ([]int, bool) {
	e, ok := s.entries[name]
	return e.shape, ok
}

// Tensor returns a tensor in float32; F32, BF16 and F16 are all exact in it.
// Any other type is an error.
func (s *Safetensors) Tensor(name string) (Tensor, error) {
	e, b, err := s.bytes(name)
	if err != nil {
		return Tensor{}, err
	}
	t := Tensor{Name: name, Shape: e.shape, Data: make([]float32, len(b)/widths[e.dtype])}
	switch e.dtype {
	case "F32":
		for i := range t.Data {
			t.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	case "BF16":
		for i := range t.Data {
			t.Data[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(b[2*i:])) << 16)
		}
	case "F16":
		for i := range t.Data {
			t.Data[i] = float16(binary.LittleEndian.Uint16(b[2*i:]))
		}
	default:
		return Tensor{}, fmt.Errorf("pretrained: %s: tensor %q is %s: must be F32, BF16 or F16", s.file, name, e.dtype)
	}
	return t, nil
}

// Ints returns the values of an integer tensor, I64 or I32.
func (s *Safetensors) Ints(name string) ([]int64, error) {
	e, b, err := s.bytes(name)
	if err != nil {
		return nil, err
	}
	v := make([]int64, len(b)/widths[e.dtype])
	switch e.dtype {
	case "I64":
		for i := range v {
			v[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
		}
	case "I32":
		for i := range v {
			v[i] = int64(int32(binary.LittleEndian.Uint32(b[4*i:])))
		}
	default:
		return nil, fmt.Errorf("pretrained: %s: tensor %q is %s: must be I64 or I32", s.file, name, e.dtype)
	}
	return v, nil
}

func (s *Safetensors) bytes(name string) (entry, []byte, error) {
	e, ok := s.entries[name]
	if !ok {
		return e, nil, fmt.Errorf("pretrained: %s: no tensor %q", s.file, name)
	}
	return e, s.data[e.start:e.end], nil
}

// float16 decodes an IEEE 754 half.
func float16(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp, frac := uint32(h>>10&31), uint32(h&1023)
	switch exp {
	case 0: // zero or subnormal, frac·2⁻²⁴
		return math.Float32frombits(sign | math.Float32bits(float32(frac)*0x1p-24))
	case 31: // infinity or NaN
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}

// WriteSafetensors writes tensors as F32, sorted by name, with the metadata
// given and {"format": "pt"}, which Hugging Face's readers ask for: one set of
// tensors and metadata is one sequence of bytes. It streams, and writes nothing at all when a name
// stands twice or a shape does not fit its values.
func WriteSafetensors(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	sorted := slices.SortedFunc(slices.Values(tensors), func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) })
	header, err := encodeHeader(sorted, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	buf := make([]byte, 0, 1<<16)
	for _, t := range sorted {
		for chunk := range slices.Chunk(t.Data, cap(buf)/4) {
			buf = buf[:0]
			for _, x := range chunk {
				buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(x))
			}
			if _, err := w.Write(buf); err != nil {
				return err
			}
		}
	}
	return nil
}

// encodeHeader returns the length and the header of tensors in their order,
// padded with spaces so that the data begins at a multiple of 8 bytes.
func encodeHeader(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, 8))
	all := map[string]string{"format": "pt"}
	maps.Copy(all, metadata)
	text, err := json.Marshal(all) // sorts the keys
	if err != nil {
		return nil, fmt.Errorf("pretrained: metadata: %w", err)
	}
	b.WriteString(`{"__metadata__":`)
	b.Write(text)
	at := 0
	for i, t := range tensors {
		switch {
		case t.Name == "__metadata__" || !utf8.ValidString(t.Name):
			return nil, fmt.Errorf("pretrained: %q cannot be the name of a tensor", t.Name)
		case i > 0 && t.Name == tensors[i-1].Name:
			return nil, fmt.Errorf("pretrained: tensor %q stands twice", t.Name)
		}
		e := entry{dtype: "F32", shape: t.Shape, start: at, end: at + 4*len(t.Data)}
		if slices.ContainsFunc(t.Shape, func(n int) bool { return n < 0 }) || e.checkSize() != nil {
			return nil, fmt.Errorf("pretrained: tensor %q: shape %v, %d values", t.Name, t.Shape, len(t.Data))
		}
		at = e.end

		b.WriteByte(',')
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false) // as other writers do
		if err := enc.Encode(t.Name); err != nil {
			return nil, fmt.Errorf("pretrained: tensor %q: %w", t.Name, err)
		}
		b.Truncate(b.Len() - 1) // the newline
		shape := strings.ReplaceAll(strings.Trim(fmt.Sprint(t.Shape), "[]"), " ", ",")
		fmt.Fprintf(&b, `:{"dtype":"F32","shape":[%s],"data_offsets":[%d,%d]}`, shape, e.start, e.end)
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if n := b.Len() - 8; n > maxHeader {
		return nil, fmt.Errorf("pretrained: a header of %d bytes: must be at most %d", n, maxHeader)
	}
	binary.LittleEndian.PutUint64(b.Bytes(), uint64(b.Len()-8))
	return b.Bytes(), nil
}
