package pretrained

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"unicode/utf8"
)

const (
	maxHeader = 100_000_000 // bytes of the header: the format's own bound
	maxName   = 1 << 12     // bytes of a tensor's name
	maxRank   = 64          // dimensions of a shape
)

// widths gives the bytes of a value of each type that is a whole number of
// bytes.
var widths = map[string]int{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "F8_E8M0": 1,
	"I16": 2, "U16": 2, "F16": 2, "BF16": 2,
	"I32": 4, "U32": 4, "F32": 4,
	"I64": 8, "U64": 8, "F64": 8,
}

// An entry is what the header says about a tensor.
type entry struct {
	name       string
	dtype      string
	shape      []int
	start, end int // its bytes in the data
}

// parseHeader reads the header of a safetensors file: 8 bytes of length, a
// JSON object, then the data, which the tensors must cover exactly.
func parseHeader(b []byte) (entries []entry, metadata map[string]string, data []byte, err error) {
	if len(b) < 8 {
		return nil, nil, nil, fmt.Errorf("%d bytes: must be at least 8", len(b))
	}
	n := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
	switch {
	case n > maxHeader:
		return nil, nil, nil, fmt.Errorf("a header of %d bytes: must be at most %d", n, maxHeader)
	case n > uint64(len(b)-8):
		return nil, nil, nil, fmt.Errorf("a header of %d bytes in a file of %d: truncated", n, len(b))
	}
	head, data := b[8:8+n], b[8+n:]
	if entries, metadata, err = decodeHeader(head); err != nil {
		return nil, nil, nil, err
	}
	return entries, metadata, data, checkLayout(entries, len(data))
}

// decodeHeader reads the JSON.
func decodeHeader(head []byte) (entries []entry, metadata map[string]string, err error) {
	if len(head) == 0 || head[0] != '{' {
		return nil, nil, errors.New("the header does not begin with {")
	}
	if !utf8.Valid(head) {
		return nil, nil, errors.New("the header is not UTF-8")
	}
	d := decoder{b: head}
	seen := map[string]bool{}
	err = d.object(func(key string) error {
		if seen[key] {
			return fmt.Errorf("tensor %q stands twice", key)
		}
		seen[key] = true
		if key == "__metadata__" {
			metadata = map[string]string{}
			return d.object(func(k string) error {
				v, err := d.string()
				metadata[k] = v
				return err
			})
		}
		if len(key) > maxName {
			return fmt.Errorf("tensor %.40q…: a name of %d bytes: must be at most %d", key, len(key), maxName)
		}
		e, err := d.entry(key)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", key, err)
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	if err := d.end(); err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	return entries, metadata, nil
}

// entry reads {"dtype": …, "shape": […], "data_offsets": [start, end]}.
func (d *decoder) entry(name string) (e entry, err error) {
	e.name = name
	var offsets []int
	err = d.object(func(key string) (err error) {
		switch {
		case key == "dtype" && e.dtype == "":
			e.dtype, err = d.string()
			if err == nil && widths[e.dtype] == 0 {
				err = fmt.Errorf("dtype %.40q is not known", e.dtype)
			}
		case key == "shape" && e.shape == nil:
			e.shape, err = d.ints(maxRank)
		case key == "data_offsets" && offsets == nil:
			offsets, err = d.ints(3)
		case key == "dtype", key == "shape", key == "data_offsets":
			err = fmt.Errorf("%s stands twice", key)
		default:
			err = fmt.Errorf("key %.40q is not known", key)
		}
		return err
	})
	switch {
	case err != nil:
	case e.dtype == "" || e.shape == nil || offsets == nil:
		err = errors.New("dtype, shape and data_offsets must all be there")
	case len(offsets) != 2 || offsets[0] > offsets[1]:
		err = fmt.Errorf("data_offsets %v: must be a start and an end not before it", offsets)
	default:
		e.start, e.end = offsets[0], offsets[1]
		err = e.checkSize()
	}
	return e, err
}

// checkSize holds the shape against the bytes.
func (e *entry) checkSize() error {
	size := uint64(widths[e.dtype])
	for _, n := range e.shape {
		var hi uint64
		if hi, size = bits.Mul64(size, uint64(n)); hi != 0 || size > math.MaxInt {
			return fmt.Errorf("shape %v overflows", e.shape)
		}
	}
	if have := uint64(e.end - e.start); size != have {
		return fmt.Errorf("shape %v of %s takes %d bytes, data_offsets [%d %d] hold %d", e.shape, e.dtype, size, e.start, e.end, have)
	}
	return nil
}

// checkLayout sorts the entries by place and checks that they cover n bytes
// of data without hole or overlap.
func checkLayout(entries []entry, n int) error {
	slices.SortFunc(entries, func(a, b entry) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return a.end - b.end
	})
	at := 0
	for i, e := range entries {
		switch {
		case e.start < at:
			return fmt.Errorf("tensor %q starts at byte %d of the data, within %q, which ends at %d", e.name, e.start, entries[i-1].name, at)
		case e.start > at && i == 0:
			return fmt.Errorf("tensor %q starts at byte %d of the data: a hole after the header", e.name, e.start)
		case e.start > at:
			return fmt.Errorf("tensor %q starts at byte %d of the data: a hole after %q, which ends at %d", e.name, e.start, entries[i-1].name, at)
		case e.end > n:
			return fmt.Errorf("tensor %q ends at byte %d of %d bytes of data: truncated", e.name, e.end, n)
		}
		at = e.end
	}
	if at != n {
		return fmt.Errorf("%d bytes of data, the tensors cover %d", n, at)
	}
	return nil
}
