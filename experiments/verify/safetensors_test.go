package verify

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"os"
	"slices"
	"testing"
)

// raw is a safetensors file taken apart, to be put together wrong.
type raw map[string]*rawTensor

type rawTensor struct {
	DType   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`
	data    []byte
}

func readRaw(t *testing.T, path string) raw {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := 8 + binary.LittleEndian.Uint64(b)
	f := raw{}
	if err := json.Unmarshal(b[8:n], &f); err != nil {
		t.Fatal(err)
	}
	delete(f, "__metadata__")
	for _, x := range f {
		x.data = slices.Clone(b[n:][x.Offsets[0]:x.Offsets[1]])
	}
	return f
}

func (f raw) write(t *testing.T, path string) {
	t.Helper()
	var data bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(f)) {
		x := f[name]
		x.Offsets = [2]int{data.Len(), data.Len() + len(x.data)}
		data.Write(x.data)
	}
	header, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	if err := os.WriteFile(path, slices.Concat(b, header, data.Bytes()), 0o666); err != nil {
		t.Fatal(err)
	}
}

// move changes every value of a tensor of float32.
func (x *rawTensor) move() {
	for i := 0; i+4 <= len(x.data); i += 4 {
		v := math.Float32frombits(binary.LittleEndian.Uint32(x.data[i:]))
		v = 3*v + 2
		binary.LittleEndian.PutUint32(x.data[i:], math.Float32bits(v))
	}
}
