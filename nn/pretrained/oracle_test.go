package pretrained

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/nlpodyssey/safetensors"
)

// FuzzSafetensors: no input crashes the parser, and what it accepts, an independent
// one accepts with the same tensors. (Not the other way round: that one takes
// a name or a key twice. Nor does it know the 8-bit floats.)
func FuzzSafetensors(f *testing.F) {
	var b bytes.Buffer
	if err := WriteSafetensors(&b, []Tensor{{"x", []int{2, 1}, []float32{1, 2}}, {"y", []int{0}, nil}, {"z", nil, []float32{3}}}, nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(file(`{"b":{"dtype":"F16","shape":[1],"data_offsets":[2,4]},"a":{"dtype":"BF16","shape":[1,1],"data_offsets":[0,2]}} `, 4))
	f.Add(file(`{"a":{"dtype":"I64","shape":[0,9223372036854775807],"data_offsets":[0,0]},"__metadata__":{"k":"v"}}`, 0))
	f.Add(file(`{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, 0))
	f.Add(file(`{"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"I8","shape":[2],"data_offsets":[1,3]}}`, 3))
	f.Add(file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,-8]},"":{"dtype":"F32","shape":[1e300],"data_offsets":[18446744073709551615,1]}}`, 8))
	f.Add(file(`{"NaN":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"\u0000\ud800":{"dtype":"F8_E4M3","shape":[],"data_offsets":[8,9]}}`, 9))
	f.Add(file(`{"a":`+strings.Repeat("[", 100), 0))
	f.Add(file(`{"a":{"dtype":"U8","shape":[`+strings.Repeat("1,", 64)+`1],"data_offsets":[0,1]}}`, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSafetensors("x", b)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of more than one line: %q", err)
			}
			return
		}
		for _, e := range s.entries {
			if strings.HasPrefix(e.dtype, "F8_") {
				return
			}
		}
		ref, err := safetensors.Deserialize(b)
		if err != nil {
			t.Fatalf("accepted with tensors %q, the other parser says: %v", s.Names(), err)
		}
		if ref.Len() != len(s.Names()) {
			t.Fatalf("tensors %q, the other parser has %q", s.Names(), ref.Names())
		}
		for _, name := range s.Names() {
			e, data, _ := s.bytes(name)
			view, ok := ref.Tensor(name)
			sameShape := slices.EqualFunc(e.shape, view.Shape(), func(a int, b uint64) bool { return uint64(a) == b })
			if !ok || view.DType().String() != e.dtype || !sameShape || !bytes.Equal(view.Data(), data) {
				t.Errorf("tensor %q: %s %v, the other parser has %s %v", name, e.dtype, e.shape, view.DType(), view.Shape())
			}
			if dtype, raw, err := s.Raw(name); err != nil || dtype != e.dtype || !bytes.Equal(raw, data) {
				t.Errorf("tensor %q: raw bytes of %s, %v", name, dtype, err)
			}
			if _, err := s.Ints(name); err != nil && integers[e.dtype] != nil && e.dtype != "BOOL" {
				t.Errorf("tensor %q of %s: %v", name, e.dtype, err)
			}
			if _, err := s.Tensor(name); (err == nil) != slices.Contains([]string{"F32", "F16", "BF16"}, e.dtype) {
				t.Errorf("tensor %q of %s: %v", name, e.dtype, err)
			}
		}
	})
}

// TestOtherReader: an independent reader reads what the writer wrote.
func TestOtherReader(t *testing.T) {
	want := []Tensor{{"a.<&>\"\\é\u2028", []int{2, 3}, []float32{1, 2, 3, 4, 5, -6}}, {"b", nil, []float32{7}}}
	var b bytes.Buffer
	if err := WriteSafetensors(&b, want, nil); err != nil {
		t.Fatal(err)
	}
	ref, err := safetensors.Deserialize(b.Bytes())
	if err != nil || ref.Len() != len(want) {
		t.Fatalf("%d tensors, %v", ref.Len(), err)
	}
	for _, x := range want {
		view, ok := ref.Tensor(x.Name)
		if !ok || len(view.Shape()) != len(x.Shape) || view.DType() != safetensors.F32 {
			t.Errorf("%q: shape %v of %s, want %v", x.Name, view.Shape(), view.DType(), x.Shape)
			continue
		}
		for i, v := range x.Data {
			if got := math.Float32frombits(binary.LittleEndian.Uint32(view.Data()[4*i:])); got != v {
				t.Errorf("%q[%d] = %g, want %g", x.Name, i, got, v)
			}
		}
	}
}
