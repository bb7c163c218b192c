package pretrained

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// WriteSafetensors writes tensors as F32, sorted by name, with the metadata
// given and {"format": "pt"}, which Hugging Face's readers ask for: one set of
// tensors and metadata is one sequence of bytes. It writes nothing at all when
// a name stands twice or a shape does not fit its values. On a little-endian
// machine it copies no values.
func WriteSafetensors(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	list := make([]part, len(tensors))
	for i, t := range tensors {
		list[i] = part{Raw: Raw{Name: t.Name, Shape: t.Shape, DType: "F32"}, values: t.Data}
	}
	return writeParts(w, list, metadata)
}

// A Raw is a named array of values of any type that safetensors knows.
type Raw struct {
	Name  string
	Shape []int
	DType string // as "BF16"
	Bytes []byte // little-endian, row by row
}

// WriteRaw is [WriteSafetensors] of tensors of any type.
func WriteRaw(w io.Writer, tensors []Raw, metadata map[string]string) error {
	list := make([]part, len(tensors))
	for i, t := range tensors {
		list[i].Raw = t
	}
	return writeParts(w, list, metadata)
}

// A part is a tensor to be written: its Bytes or, of F32, its values.
type part struct {
	Raw
	values []float32
}

func writeParts(w io.Writer, tensors []part, metadata map[string]string) error {
	sorted := slices.SortedFunc(slices.Values(tensors), func(a, b part) int { return strings.Compare(a.Name, b.Name) })
	header, err := encodeHeader(sorted, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, t := range sorted {
		if err := writeValues(w, t.values); err != nil {
			return err
		}
		if _, err := w.Write(t.Bytes); err != nil {
			return err
		}
	}
	return nil
}

// writeValues writes the bytes of v, which on most machines memory has as they
// are to be.
func writeValues(w io.Writer, v []float32) error {
	if littleEndian {
		_, err := w.Write(valueBytes(v))
		return err
	}
	return binary.Write(w, binary.LittleEndian, v)
}

// encodeHeader returns the length and the header of tensors in their order,
// padded with spaces so that the data begins at a multiple of 8 bytes.
func encodeHeader(tensors []part, metadata map[string]string) ([]byte, error) {
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
		e := entry{dtype: t.DType, shape: t.Shape, start: at, end: at + 4*len(t.values) + len(t.Bytes)}
		if slices.ContainsFunc(t.Shape, func(n int) bool { return n < 0 }) || e.checkSize() != nil {
			return nil, fmt.Errorf("pretrained: tensor %q: shape %v, %d values", t.Name, t.Shape, (e.end-e.start)/max(1, widths[e.dtype]))
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
		fmt.Fprintf(&b, `:{"dtype":%q,"shape":[%s],"data_offsets":[%d,%d]}`, e.dtype, shape, e.start, e.end)
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
