package pretrained

import (
	"slices"
	"strings"
	"testing"
)

func TestInts(t *testing.T) {
	bytes := []byte{0xff, 0x80, 0x01, 0x7f, 0xfe, 0xff, 0xff, 0xff}
	for dtype, want := range map[string][]int64{
		"U8":  {0xff, 0x80, 0x01, 0x7f, 0xfe, 0xff, 0xff, 0xff},
		"I8":  {-1, -128, 1, 127, -2, -1, -1, -1},
		"U16": {0x80ff, 0x7f01, 0xfffe, 0xffff},
		"I16": {-0x7f01, 0x7f01, -2, -1},
		"U32": {0x7f0180ff, 0xfffffffe},
		"I32": {0x7f0180ff, -2},
		"I64": {-0x1_80fe7f01},
	} {
		shape := strings.Repeat("1,", 3) + map[int]string{8: "8", 4: "4", 2: "2", 1: "1"}[len(want)]
		b := file(`{"x":{"dtype":"`+dtype+`","shape":[`+shape+`],"data_offsets":[0,8]}}`, 0)
		s, err := ParseSafetensors("f", append(b, bytes...))
		if err != nil {
			t.Fatal(err)
		}
		if v, err := s.Ints("x"); err != nil || !slices.Equal(v, want) {
			t.Errorf("%s: %#x, %v; want %#x", dtype, v, err, want)
		}
	}
}

func TestIntsBool(t *testing.T) {
	for _, c := range []struct {
		data []byte
		want string
	}{{[]byte{1, 0, 1}, ""}, {[]byte{1, 0, 2}, `pretrained: f: tensor "x": value 2 of BOOL is 2: must be 0 or 1`}} {
		s, err := ParseSafetensors("f", append(file(`{"x":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}}`, 0), c.data...))
		if err != nil {
			t.Fatal(err)
		}
		v, err := s.Ints("x")
		switch {
		case c.want == "" && (err != nil || !slices.Equal(v, []int64{1, 0, 1})):
			t.Errorf("%v, %v", v, err)
		case c.want != "" && (err == nil || err.Error() != c.want):
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}

func TestIntsErrors(t *testing.T) {
	for _, dtype := range []string{"U64", "F32", "F8_E4M3"} {
		size := map[string]string{"U64": "8", "F32": "4", "F8_E4M3": "1"}[dtype]
		s, err := ParseSafetensors("f", file(`{"x":{"dtype":"`+dtype+`","shape":[1],"data_offsets":[0,`+size+`]}}`, int(size[0]-'0')))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Ints("x"); err == nil || !strings.Contains(err.Error(), `tensor "x" is `+dtype) {
			t.Errorf("%s: error %v", dtype, err)
		}
		if _, err := s.Ints("y"); err == nil || err.Error() != `pretrained: f: no tensor "y"` {
			t.Errorf("error %v", err)
		}
	}
}
